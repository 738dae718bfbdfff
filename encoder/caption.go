package encoder

import (
	"cmp"
	"fmt"
)

// WebVTT is the codec of captions.
const WebVTT = "webvtt"

// The kinds of Caption.
const (
	CaptionText   = "text"   // becomes WebVTT
	CaptionCEA608 = "cea608" // becomes WebVTT
	CaptionBitmap = "bitmap" // pictures of words: stays behind, with a warning
	CaptionOther  = "other"  // words we cannot read: likewise
)

// captions makes the renditions of all tracks that can become WebVTT. CEA-608
// whose channel is not known gets one for each of the four: which of them are
// used shows only when all of the film was read, and those that are not come
// to nothing.
func captions(all []Caption) []Rendition {
	var out []Rendition
	used := map[string]int{}
	add := func(c Caption, name string) {
		if used[name]++; used[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, used[name])
		}
		out = append(out, Rendition{
			Name: name, Codec: WebVTT, Stream: c.Stream, Channel: c.Channel,
			Language: c.Language, Title: c.Title, Forced: c.Forced,
			Access: c.Access || c.Kind == CaptionCEA608, // which is what broadcasters make it for
		})
	}
	for _, c := range all {
		switch {
		case c.Kind == CaptionText:
			add(c, cmp.Or(c.Language, "und"))
		case c.Kind == CaptionCEA608 && c.Channel > 0:
			add(c, cmp.Or(c.Language, fmt.Sprintf("cc%d", c.Channel)))
		case c.Kind == CaptionCEA608:
			for c.Channel = 1; c.Channel <= 4; c.Channel++ {
				add(c, fmt.Sprintf("cc%d", c.Channel))
			}
		}
	}
	return out
}

package ffmpeg

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"bobine/encoder"
	"bobine/encoder/captions"
)

var bitmaps = []string{"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"}

// listCaptions notes the tracks of words in a source, and warns of those that
// cannot be carried over.
func listCaptions(h header, src *encoder.Source) {
	for _, s := range h.Streams {
		if s.Kind != "subtitle" {
			continue
		}
		sound := s.describeSound() // knows languages
		c := encoder.Caption{
			Stream: s.Index, Codec: cmp.Or(s.Codec, "unknown"), Kind: encoder.CaptionOther,
			Language: sound.Language, Title: sound.Title, Forced: s.Disposition.Forced == 1, Access: s.Disposition.Deaf == 1,
		}
		of := strings.TrimSuffix(c.Codec, "_subtitle")
		if c.Language != "" {
			of += ", " + c.Language
		}
		switch {
		case slices.Contains(captions.Codecs, s.Codec):
			c.Kind = encoder.CaptionText
		case s.Codec == "eia_608":
			c.Kind = encoder.CaptionCEA608
		case slices.Contains(bitmaps, s.Codec):
			c.Kind = encoder.CaptionBitmap
			src.Warnings = append(src.Warnings, fmt.Sprintf("the bitmap subtitles (%s) are not carried over: they are pictures of words, send them as text", of))
		default:
			src.Warnings = append(src.Warnings, fmt.Sprintf("the subtitles of track %d (%s) are not carried over: no reader for them, send them as text", s.Index, of))
		}
		src.Captions = append(src.Captions, c)
	}
}

const digitalOnly = "the pictures carry CEA-708 captions, which are not read: only CEA-608 beside them is"

// hidden looks for CEA-608 in all pictures, and lists the channels that say
// something: broadcasters' encoders put it into every picture, words or none,
// and many films begin without words.
func (e *Encoder) hidden(ctx context.Context, path string, src *encoder.Source, dir string) error {
	if src.Video == nil || beside[src.Video.Codec] == "" {
		return nil
	}
	lines, err := e.line21(ctx, path, *src, dir, nil)
	if ctx.Err() != nil {
		return fmt.Errorf("look for captions: %w", err)
	}
	if lines.Digital > 0 {
		src.Warnings = append(src.Warnings, digitalOnly)
	}
	// What else is wrong with the pictures is for others to find.
	length := encoder.Seconds(src.Duration)
	for channel := 1; channel <= 4; channel++ {
		if cues, _ := lines.Cues(channel, length).Film(length); len(cues) > 0 {
			src.Captions = append(src.Captions, encoder.Caption{Stream: src.Video.Stream, Codec: "eia_608", Kind: encoder.CaptionCEA608, Channel: channel})
		}
	}
	return nil
}

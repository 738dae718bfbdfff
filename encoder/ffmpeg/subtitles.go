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
			Language: sound.Language, Title: sound.Title, Forced: s.Disposition.Forced == 1,
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

// hidden looks for CEA-608 in the first pictures, where broadcasters' encoders
// put it into every one, words or none.
func (e *Encoder) hidden(ctx context.Context, path string, src *encoder.Source) error {
	const pictures, limit = 120, 8 << 20
	v := src.Video
	if v == nil || !slices.Contains([]string{"h264", "hevc", "mpeg2video", "mpeg1video"}, v.Codec) {
		return nil
	}
	args := append([]string{"-hide_banner", "-v", "fatal", "-max_alloc", "2147483648", "-max_pixels", "67108864"}, limits...)
	args = append(args, "-threads", "1", "-skip_loop_filter", "all", "-skip_idct", "all",
		"-read_intervals", fmt.Sprintf("%%+#%d", pictures), "-select_streams", fmt.Sprint(v.Stream),
		"-show_frames", "-show_entries", "frame=:frame_side_data=side_data_type", "-print_format", "default=nw=1:nk=1", "-i", source(path))
	found := false
	_, err := e.within(probing).query(ctx, args, limit, func(line []byte) error {
		found = found || strings.HasPrefix(string(line), "ATSC A53")
		return nil
	})
	if found {
		src.Captions = append(src.Captions, encoder.Caption{Stream: v.Stream, Codec: "eia_608", Kind: encoder.CaptionCEA608})
	}
	if ctx.Err() != nil {
		return err
	}
	return nil // what else is wrong with the pictures is for others to find
}

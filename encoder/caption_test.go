package encoder

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each track that can become WebVTT gets a rendition of its own name, and
// CEA-608 one for each channel it may have.
func TestFitCaptions(t *testing.T) {
	src := picture(1280, 720, Rate{25, 1}, 10)
	src.Captions = []Caption{
		{Stream: 2, Kind: CaptionText, Language: "eng", Access: true}, {Stream: 3, Kind: CaptionBitmap, Language: "ger"},
		{Stream: 4, Kind: CaptionText, Language: "eng", Forced: true}, {Stream: 5, Kind: CaptionText}, {Stream: 6, Kind: CaptionOther},
		{Stream: 7, Kind: CaptionCEA608, Channel: 3}, {Stream: 0, Kind: CaptionCEA608},
	}
	for _, c := range []struct {
		on   bool
		want string
	}{
		{true, "eng=2.0 eng-2=4.0 und=5.0 cc3=7.3 cc1=0.1 cc2=0.2 cc3-2=0.3 cc4=0.4"},
		{false, ""},
	} {
		p := web
		p.Captions = c.on
		l, err := Fit(p, src, 12*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range l.Captions {
			if r.Codec != WebVTT || r.Forced != (r.Name == "eng-2") || r.Access != (r.Name == "eng" || r.Channel > 0) {
				t.Errorf("%+v", r)
			}
			got = append(got, fmt.Sprintf("%s=%d.%d", r.Name, r.Stream, r.Channel))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("captions %v: %s, want %s", c.on, s, c.want)
		}
	}
}

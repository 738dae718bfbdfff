package encoder

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// A job's parameters change the profile for it alone.
func TestWith(t *testing.T) {
	p, err := web.With(map[string]string{
		"crf": "24.5", "preset": "fast", "max_height": "540", "max_fps": "25", "segment": "4s", "audio.bitrate": "96k", "outputs": "hls,mp4", "damaged": "publish",
	})
	if err != nil {
		t.Fatal(err)
	}
	v := p.Video[0]
	if len(v.Rungs) != 4 || v.Rungs[0].CRF != 24.5 || v.Rungs[3].CRF != 24.5 || v.Preset != "fast" || v.MaxFPS != 25 || v.Rungs[1].MaxFPS != 25 || v.Rungs[0].MaxFPS != 0 {
		t.Errorf("%+v", v)
	}
	if p.Segment != 4*time.Second || p.Audio.Bitrate != 96_000 || strings.Join(p.Outputs, " ") != "hls mp4" || p.Damaged != "publish" {
		t.Errorf("%+v", p)
	}
	if len(web.Video[0].Rungs) != 6 || web.Video[0].Rungs[0].CRF != 0 || web.Video[0].Preset != "medium" {
		t.Errorf("the profile itself changed: %+v", web)
	}
	if same, err := web.With(nil); err != nil || !reflect.DeepEqual(same, web) {
		t.Errorf("without parameters: %+v, %v", same, err)
	}
}

// With several codecs, what has another meaning for each must name one, and a
// codec without rungs is left out.
func TestWithCodecs(t *testing.T) {
	two := web
	two.Video = append([]VideoProfile{}, web.Video[0], VideoProfile{Codec: "av1", Rungs: web.Video[0].Rungs[:1]})
	p, err := two.With(map[string]string{"av1.crf": "40", "h264.max_height": "360", "max_fps": "30"})
	if err != nil || p.Video[1].Rungs[0].CRF != 40 || p.Video[0].Rungs[0].CRF != 0 || len(p.Video[0].Rungs) != 2 || p.Video[1].MaxFPS != 30 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = two.With(map[string]string{"max_height": "720"}); err != nil || len(p.Video) != 1 || p.Video[0].Codec != "h264" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, want := range map[string]string{"crf": "say for which, of h264, av1", "hevc.crf": "no hevc, only h264, av1"} {
		if _, err := two.With(map[string]string{name: "23"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Everything that is wrong is told at once.
func TestWithRefuses(t *testing.T) {
	_, err := web.With(map[string]string{"crf": "x", "max_height": "tall", "segment": "6", "colour": "red", "audio.bitrate": "loud", "h264.outputs": "hls"})
	for _, want := range []string{
		`crf is "x": want a number`, `max_height is "tall"`, `segment is "6": want a duration`, `no parameter "colour", only audio.bitrate, crf,`,
		`audio.bitrate is "loud"`, `no parameter "h264.outputs"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

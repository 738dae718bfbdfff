package encoder_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/configs"
	"bobine/encoder/packaging"
)

// Five real clips by the profiles that are shipped, with their presets turned
// down: no rule is broken, neither MUST nor SHOULD, and ffmpeg finds in the
// manifest every picture and audio frame that the record tells of, with several
// codecs in one film and thumbnails beside them.
func TestRealClipsKeepEveryRule(t *testing.T) {
	for _, c := range []struct{ clip, profile, set string }{
		{"wave_croatia_1080p25_h264_aac_8s.mp4", "web", "max_height=720"},
		{"derived_bbb_1080p24_3audio_srt_5s.mkv", "web", "max_height=234"},
		{"bbb_1080p24_rot90_2s.mp4", "web", "max_height=234"},
		{"flower_540p2997_aac_5s.mp4", "web-hevc", "max_height=360 hevc.preset=ultrafast"},
		{"phone_hdr10_av1_720x1280_portrait_4s.mp4", "web-av1", "max_height=360 av1.preset=12"},
	} {
		t.Run(c.clip, func(t *testing.T) {
			t.Parallel()
			input := filepath.Join("../../shared/media", c.clip)
			if !exists(input) {
				t.Skipf("%s is not there", input)
			}
			p, err := configs.Profile(c.profile)
			if err != nil {
				t.Fatal(err)
			}
			// The fastest that still makes High profile.
			set := map[string]string{"outputs": "hls,dash,mp4", "h264.preset": "superfast"}
			for _, text := range strings.Fields(c.set) {
				name, value, _ := strings.Cut(text, "=")
				set[name] = value
			}
			if p, err = p.With(set); err != nil {
				t.Fatal(err)
			}
			film := publish(t, input, p, 6*time.Second)
			if r := walk(t, film); len(r.Findings) > 0 {
				t.Errorf("it has the findings\n%v\nof the master\n%s", r.Findings, film[packaging.Master])
			}
			demux(t, film)
		})
	}
}

// demux lets ffmpeg read the manifest: each rendition of the record is there,
// with as many packets as it has frames.
func demux(t *testing.T, film published) {
	t.Helper()
	root := t.TempDir()
	for name, b := range film {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var r packaging.Record
	if err := json.Unmarshal(film[packaging.Log], &r); err != nil {
		t.Fatal(err)
	}
	var pictures, sounds int
	for _, m := range r.Renditions {
		stream := fmt.Sprintf("a:%d", sounds)
		switch {
		case m.Width > 0:
			stream = fmt.Sprintf("v:%d", pictures)
			pictures++
		case m.Channels > 0:
			sounds++
		default:
			continue
		}
		// One by one: ffmpeg's demuxer ends all streams where the first does.
		out, err := exec.Command("ffprobe", "-v", "error", "-allowed_extensions", "ALL", "-count_packets", "-select_streams", stream,
			"-show_entries", "stream=width,nb_read_packets", "-of", "csv=p=0", filepath.Join(root, packaging.Manifest)).CombinedOutput()
		want := fmt.Sprint(m.Frames)
		if m.Width > 0 {
			want = fmt.Sprintf("%d,%d", m.Width, m.Frames)
		}
		// Once for the program, once for the file.
		if got := strings.Fields(string(out)); err != nil || len(got) == 0 || got[0] != want {
			t.Errorf("%s: ffmpeg finds %s, the record says %s (%v)", m.Name, out, want, err)
		}
	}
}

package ffmpeg

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bobine/encoder"
)

// What cannot be a film is refused, in the words the manifest expects.
func TestRefusesWhatIsNoFilm(t *testing.T) {
	e := find(t)
	tried := 0
	for name, expect := range manifest(t) {
		why, ok := strings.CutPrefix(expect, "rejected: ")
		if !ok {
			continue
		}
		tried++
		_, err := e.Probe(t.Context(), clip(t, name))
		if !errors.Is(err, encoder.ErrBadInput) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v, want %q", name, err, why)
		}
	}
	if tried < 10 {
		t.Errorf("the manifest has only %d clips to refuse", tried)
	}
}

// The same without any clip at hand.
func TestRefusesMadeRubbish(t *testing.T) {
	e := find(t)
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, why string }{
		"empty.mp4":    {"", "empty (0 bytes)"},
		"text.mp4":     {strings.Repeat("Dear editor, ", 300), "not media"},
		"list.mp4":     {"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "playlist in disguise"},
		"concat.mov":   {"ffconcat version 1.0\nfile /etc/hostname\n", "playlist in disguise"},
		"no moov.mp4":  {"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00\x00\x00\x10\x00mdat" + strings.Repeat("x", 4088), "no moov"},
		"-i rubbish\n": {strings.Repeat("\x01\x02\x03", 999), "not media"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := e.Probe(t.Context(), path)
		if !errors.Is(err, encoder.ErrBadInput) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q: got %v, want %q", name, err, c.why)
		}
	}
	if _, err := e.Probe(t.Context(), dir); !errors.Is(err, encoder.ErrBadInput) {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := e.Probe(t.Context(), filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, encoder.ErrBadInput) {
		t.Errorf("an absent file says nothing about the film: got %v", err)
	}
}

// Cover art is no film, and a song with a cover is sound only.
func TestCoverArt(t *testing.T) {
	e := find(t)
	cover := film(t, "cover.jpg", "-f lavfi -i color=red:s=64x64 -frames:v 1")
	song := film(t, "song.m4a", "-f lavfi -i sine=d=1 -i "+cover+" -map 0 -map 1 -c:v copy -disposition:v attached_pic")
	src, err := e.Probe(t.Context(), song)
	if err != nil || src.Video != nil || len(src.Audio) != 1 || math.Abs(src.Duration-1) > 0.05 {
		t.Errorf("got %+v, %v", src, err)
	}
}

// Any name a partner may choose is only a name.
func TestHostileNames(t *testing.T) {
	e := find(t)
	made := film(t, "a.mp4", "-f lavfi -i testsrc2=s=64x36:r=25:d=0.2")
	for _, name := range []string{"a b.mp4", `q'uo"te.mp4`, "wh?t%20.mp4", "new\nline.mp4", "-y.mp4", "concat:a|b.mp4", "ünï#[0].mp4", "%d.mp4"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.Rename(made, path); err != nil {
			t.Fatal(err)
		}
		made = path
		t.Chdir(filepath.Dir(path))
		src, l := plan(t, e, name, small(), 0)
		if src.Video == nil || src.Video.Frames != 5 {
			t.Errorf("%q: got %+v", name, src)
		}
		encode(t, e, name, src, l)
	}
}

// What real clips are, as seen by a planner.
func TestProbesRealClips(t *testing.T) {
	e := find(t)
	for _, c := range []struct {
		name          string
		width, height int
		rate          encoder.Rate
		frames        int64
		vfr, seekable bool
		sounds        int
	}{
		{"bbb_1080p24_h264_aac51_30s.mp4", 1920, 1080, encoder.Rate{Num: 24, Den: 1}, 720, false, true, 1},
		{"flower_540p2997_aac_5s.mp4", 960, 540, encoder.Rate{Num: 30000, Den: 1001}, 150, false, true, 1},
		{"phone_portrait_rot90_2s.mov", 320, 568, encoder.Rate{Num: 30000, Den: 1001}, 62, false, true, 1},
		{"sar_2x1_5s.mp4", 1280, 360, encoder.Rate{Num: 30, Den: 1}, 150, false, true, 0},
		{"derived_bbb_1080p24_3audio_srt_5s.mkv", 1920, 1080, encoder.Rate{Num: 24, Den: 1}, 122, false, true, 3},
		{"plant_1080p_vfr_noaudio_5s.mp4", 1920, 1080, encoder.Rate{Num: 25, Den: 1}, 118, false, false, 0}, // an edit list hides 29
		{"iphone_hlg_dv84_1080p_rot90_editlist_2s.mp4", 1080, 1920, encoder.Rate{Num: 30000, Den: 1001}, 77, false, false, 1},
		{"screen_3026x1386_vfr_9s.mp4", 3026, 1386, encoder.Rate{Num: 30, Den: 1}, 262, true, true, 0},
		{"webm_no_duration.webm", 1280, 720, encoder.Rate{Num: 15000, Den: 1001}, 74, false, true, 1},
		{"bbb_1080p24_hevc_aac51_5s.ts", 1920, 1080, encoder.Rate{Num: 24, Den: 1}, 120, false, false, 1},
		{"ts_no_initial_keyframe.ts", 626, 352, encoder.Rate{Num: 30, Den: 1}, 15, false, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := e.Probe(t.Context(), clip(t, c.name))
			if err != nil {
				t.Fatal(err)
			}
			v := *s.Video
			if v.Width != c.width || v.Height != c.height || v.Rate != c.rate || v.Frames != c.frames ||
				v.VFR != c.vfr || v.Seekable != c.seekable || len(s.Audio) != c.sounds {
				t.Errorf("got %dx%d at %v, %d frames, vfr %v, seekable %v, %d sounds; want %+v",
					v.Width, v.Height, v.Rate, v.Frames, v.VFR, v.Seekable, len(s.Audio), c)
			}
			// What the container says of the rate is kept beside ours: of an even film it is the same.
			if v.RealFPS == 0 || v.MeanFPS == 0 || !c.vfr && c.seekable && math.Abs(v.RealFPS-c.rate.Float()) > 0.1 {
				t.Errorf("the container says %v and %v pictures a second, the film has %v", v.RealFPS, v.MeanFPS, c.rate)
			}
			if want := c.rate.Seconds(c.frames); math.Abs(s.Duration-want) > 1e-6 {
				t.Errorf("duration %v, want %v", s.Duration, want)
			}
		})
	}
}

func TestProbeIsCancelled(t *testing.T) {
	e := find(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Probe(ctx, film(t, "a.mp4", "-f lavfi -i testsrc2=s=64x36:r=25:d=0.2"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, encoder.ErrBadInput) {
		t.Errorf("got %v", err)
	}
}

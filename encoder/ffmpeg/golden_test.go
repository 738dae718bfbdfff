package ffmpeg

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// The exact command line of each kind of source.
func TestArguments(t *testing.T) {
	rate := func(num, den int64) encoder.Rate { return encoder.Rate{Num: num, Den: den} }
	base := encoder.Video{
		Width: 1920, Height: 1080, CodedWidth: 1920, CodedHeight: 1080, SAR: rate(1, 1), Rate: rate(24, 1), Frames: 720,
		Matrix: "bt709", Range: "tv", PixelFormat: "yuv420p", Seekable: true,
	}
	with := func(change func(*encoder.Video)) *encoder.Video {
		v := base
		change(&v)
		return &v
	}
	p := small()
	p.Segment, p.GOP, p.Video[0].Preset = 6*time.Second, 2*time.Second, "medium"
	p.Video[0].Rungs = []encoder.Rung{
		{Name: "1080p", Width: 1920, Height: 1080, CRF: 21, Bitrate: 6_000_000, Profile: "high"},
		{Name: "720p", Width: 1280, Height: 720, CRF: 21, Bitrate: 3_000_000, Profile: "high"},
		{Name: "540p", Width: 960, Height: 540, CRF: 22, Bitrate: 2_000_000, Profile: "high"},
		{Name: "234p", Width: 416, Height: 234, CRF: 23.5, Bitrate: 145_000, Profile: "main", MaxFPS: 30},
	}
	for _, c := range []struct {
		name  string
		video *encoder.Video
		chunk int
	}{
		{"film-first-chunk", &base, 0}, // holds the poster
		{"film-middle-chunk", &base, 1},
		{"film-last-chunk", &base, 2},
		{"late-ntsc", with(func(v *encoder.Video) { v.Rate, v.Start = rate(30000, 1001), 1.4 }), 1},
		{"sixty", with(func(v *encoder.Video) { v.Rate, v.Frames = rate(60, 1), 1800 }), 0},
		{"interlaced", with(func(v *encoder.Video) { v.Rate, v.Interlaced = rate(25, 1), true }), 1},
		{"hdr", with(func(v *encoder.Video) { v.Transfer, v.Primaries, v.Matrix = "smpte2084", "bt2020", "bt2020nc" }), 0},
		{"phone", with(func(v *encoder.Video) {
			v.Width, v.Height, v.Rotation, v.Matrix, v.Range, v.VFR = 1080, 1920, 90, "smpte170m", "pc", true
		}), 1},
		{"tiny-unsaid", with(func(v *encoder.Video) {
			v.Width, v.Height, v.CodedWidth, v.CodedHeight, v.Matrix = 161, 121, 161, 121, ""
		}), 0},
		{"whole", with(func(v *encoder.Video) { v.Seekable = false }), 0},
		{"hlg", with(func(v *encoder.Video) {
			v.Transfer, v.Primaries, v.Matrix, v.PixelFormat = "arib-std-b67", "bt2020", "bt2020nc", "yuv420p10le"
		}), 1},
		{"telecine", with(func(v *encoder.Video) {
			v.Rate, v.Interlaced, v.Telecine, v.Seekable = rate(24000, 1001), true, true, false
		}), 0},
		{"anamorphic", with(func(v *encoder.Video) {
			v.Width, v.Height, v.CodedWidth, v.CodedHeight, v.SAR, v.Matrix = 1024, 576, 720, 576, rate(64, 45), "bt470bg"
		}), 0},
		{"mirrored", with(func(v *encoder.Video) { v.Mirrored = true }), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := encoder.Source{Video: c.video, Start: c.video.Start}
			l, err := encoder.Fit(p, src, 12*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			e := &Encoder{zscale: true}
			golden(t, e.videoArgs(VideoJob{Input: "/in/a b?.mov", Source: src, Ladder: l, Chunk: l.Chunks[c.chunk], Dir: "/out"}))
		})
	}
	t.Run("sound", func(t *testing.T) {
		src := encoder.Source{Start: 0.5, Duration: 30, Audio: []encoder.Audio{
			{Stream: 1, Channels: 6, Layout: "5.1", SampleRate: 48000, Language: "eng", Duration: 30},
			{Stream: 2, Channels: 1, Layout: "mono", SampleRate: 44100, Duration: 30},
			{Stream: 3, Channels: 4, SampleRate: 48000, Duration: 30},
		}}
		l, err := encoder.Fit(p, src, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, AudioJob{Input: "/in/-x.mov", Source: src, Ladder: l, Dir: "/out"}.args())
	})
	// As loud as asked by one gain, by a limiter, and by one that an earlier
	// try has corrected; tracks that form one sound.
	t.Run("loud", func(t *testing.T) {
		p := p
		p.Audio.Loudness = &encoder.LoudnessTarget{Integrated: -23, Peak: -1}
		src := encoder.Source{Duration: 30, Audio: []encoder.Audio{
			{Stream: 1, Channels: 2, Layout: "stereo", SampleRate: 48000, Language: "eng", Duration: 30, Stereo: &encoder.Loudness{Integrated: -20, Peak: -3, Range: 8, Threshold: -30}},
			{Stream: 2, Channels: 2, Layout: "stereo", SampleRate: 48000, Language: "fre", Duration: 30, Stereo: &encoder.Loudness{Integrated: -40, Peak: -3, Range: 8, Threshold: -50}},
			{Stream: 3, With: []int{4}, Channels: 2, Layout: "stereo", SampleRate: 48000, Language: "ger", Duration: 30, Stereo: &encoder.Loudness{Integrated: -23, Peak: -9}},
		}}
		l, err := encoder.Fit(p, src, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, AudioJob{Input: "/in/a.mov", Source: src, Ladder: l, Dir: "/out", learnt: map[string]correction{"ger": {gain: 0.5, limit: 8}}}.args())
	})
	t.Run("measure", func(t *testing.T) {
		golden(t, measureArgs("/in/a.mov", encoder.Source{Start: 0.5, Audio: []encoder.Audio{{Stream: 1, Channels: 6, Layout: "5.1"}, {Stream: 2, With: []int{3}, Channels: 2, Layout: "stereo"}}}))
	})
	t.Run("progressive", func(t *testing.T) { golden(t, progressiveArgs("/out/film.mp4", 2)) })
	for name, change := range map[string]func(*encoder.Profile, *VideoJob){
		"fields":    func(p *encoder.Profile, _ *VideoJob) { p.Video[0].Fields = true },
		"published": func(p *encoder.Profile, _ *VideoJob) { p.Damaged = encoder.DamagedPublish },
		"blank":     func(p *encoder.Profile, j *VideoJob) { p.Damaged, j.blank = encoder.DamagedPublish, true },
		"storyboard": func(p *encoder.Profile, _ *VideoJob) {
			p.Images.Storyboard = &encoder.Storyboard{Every: 10 * time.Second, Width: 160, Columns: 5, Rows: 5}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, j := p, VideoJob{Input: "/in/a.mov", Dir: "/out"}
			p.Video = slices.Clone(p.Video)
			change(&p, &j)
			v := base
			v.Interlaced = p.Video[0].Fields
			j.Source = encoder.Source{Video: &v}
			l, err := encoder.Fit(p, j.Source, 12*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			j.Ladder, j.Chunk = l, l.Chunks[1]
			golden(t, (&Encoder{zscale: true}).videoArgs(j))
		})
	}
	t.Run("decode", func(t *testing.T) {
		golden(t, decodeArgs([]finished{
			{file: "/out/1080p.mp4", rendition: encoder.Rendition{Width: 1920}, every: 12},
			{file: "/out/234p.mp4", rendition: encoder.Rendition{Width: 416}, every: 6},
			{file: "/out/eng.mp4"},
		}))
	})
}

// golden compares arguments, one option to a line, with the kept file.
func golden(t *testing.T, args []string) {
	t.Helper()
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteString(map[bool]string{true: "\n", false: " "}[strings.HasPrefix(a, "-") && len(a) > 1 && (a[1] < '0' || a[1] > '9')])
		}
		b.WriteString(a)
	}
	got := strings.ReplaceAll(b.String(), ";", ";\n\t") + "\n"
	path := filepath.Join("testdata", strings.ReplaceAll(t.Name(), "/", "-")+".args")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the arguments changed (-update keeps them); now:\n%s\nwere:\n%s", got, want)
	}
}

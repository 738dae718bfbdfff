package ffmpeg

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

// manifest is every clip at hand with how it is expected to end.
func manifest(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(clip(t, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, row := range rows[1:] {
		out[row[0]] = row[1]
	}
	return out
}

// Every real clip ends as the manifest expects: made into every rung, frame
// for frame, or refused with the time of the damage.
func TestRealClips(t *testing.T) {
	e := find(t)
	for name, expect := range manifest(t) {
		if strings.HasPrefix(expect, "rejected") {
			continue // TestRefusesWhatIsNoFilm
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := clip(t, name)
			most := 2
			if expect == "damaged" {
				most = 100
			}
			got, err := makeFirst(t, e, path, encoder.DamagedReject, most)
			if err != nil && !errors.Is(err, encoder.ErrBadInput) {
				t.Fatal(err)
			}
			switch {
			case expect == "done" && err != nil:
				t.Fatalf("want it done, got %v", err)
			case expect == "damaged" && (err == nil || !anyClock.MatchString(err.Error())):
				t.Fatalf("want it refused with the time of the damage, got %v", err)
			}
			if err != nil {
				if got, err = makeFirst(t, e, path, encoder.DamagedPublish, most); err != nil && expect == "either" {
					return
				}
				if err != nil || len(got.warnings) == 0 {
					t.Fatalf("published all the same: got %v, %q", err, got.warnings)
				}
			}
			got.compare(t, path, expect == "done")
		})
	}
}

// What is damaged in a far film, which is read by those alone who encode it,
// ends as if it lay here; and captions in its pictures are found.
func TestFarClips(t *testing.T) {
	e := find(t)
	for name, expect := range manifest(t) {
		index := strings.HasSuffix(name, ".mp4") || strings.HasSuffix(name, ".mov")
		if !index || expect != "damaged" && expect != "either" && !strings.Contains(name, "cea608") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := away(t, clip(t, name))
			got, err := makeFirst(t, e.Filling(r), r.Path(), encoder.DamagedReject, 100)
			switch {
			case expect == "done" && err != nil, err != nil && !errors.Is(err, encoder.ErrBadInput):
				t.Fatal(err)
			case expect == "damaged" && (err == nil || !anyClock.MatchString(err.Error())):
				t.Fatalf("want it refused with the time of the damage, got %v", err)
			case err != nil:
				r := away(t, clip(t, name))
				got, err = makeFirst(t, e.Filling(r), r.Path(), encoder.DamagedPublish, 100)
				if err != nil && expect != "either" || err == nil && len(got.warnings) == 0 {
					t.Fatalf("published all the same: got %v, %q", err, got.warnings)
				}
			}
			t.Logf("unread %t: %v, %q", got.src.Unread, err, got.warnings)
		})
	}
}

var anyClock = regexp.MustCompile(`\d:\d\d:\d\d\.\d`)

type made struct {
	src      encoder.Source
	ladder   encoder.Ladder
	warnings []string
	files    map[string]string
}

// makeFirst makes the first chunks of a film, and all of its sound.
func makeFirst(t *testing.T, e *Encoder, path, damaged string, chunks int) (made, error) {
	t.Helper()
	p := small()
	p.Damaged = damaged
	p.Video[0].Rungs = []encoder.Rung{
		{Name: "180p", Width: 320, Height: 180, CRF: 18, Bitrate: 6_000_000},
		{Name: "90p", Width: 160, Height: 90, CRF: 18, Bitrate: 3_000_000, MaxFPS: 30},
	}
	src, err := e.Probe(t.Context(), path)
	if err != nil {
		return made{}, err
	}
	l, err := encoder.Fit(p, src, time.Second)
	if err != nil {
		return made{}, err
	}
	if v := src.Video; v != nil && v.Width*v.Height > 1280*720 {
		chunks = (chunks + 1) / 2
	}
	l.Chunks = l.Chunks[:min(chunks, len(l.Chunks))]
	m := made{src: src, ladder: l, warnings: append(src.Warnings, src.Damage...)}
	m.files, err = tryEncode(t, e, path, src, l, func(r encoder.Result) { m.warnings = append(m.warnings, r.Warnings...) })
	return m, err
}

// compare holds what was made against what ffprobe counts, in the source and
// in the result.
func (m made) compare(t *testing.T, path string, whole bool) {
	t.Helper()
	if v := m.src.Video; v != nil && whole {
		want, exact := promised(t, path, *v)
		if d := v.Frames - want; d > 1 || d < -1 || exact && d != 0 {
			t.Errorf("the probe counts %d frames at %v, ffprobe %d (vfr %v)", v.Frames, v.Rate, want, v.VFR)
		}
	}
	var frames int64
	for _, c := range m.ladder.Chunks {
		frames += c.Frames
	}
	for _, r := range m.ladder.Video {
		want := (frames + r.Step - 1) / r.Step
		out := tool(t, "ffprobe", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", m.files[r.Name])
		if got := strings.Trim(out, ",\n "); got != fmt.Sprint(want) {
			t.Errorf("%s has %s frames, want %d", r.Name, got, want)
		}
	}
	for _, r := range m.ladder.Audio {
		if _, n := sound(t, m.files[r.Name]); math.Abs(float64(n)/48000-m.src.Duration) > 0.04 {
			t.Errorf("%s lasts %.3f s, the film %.3f s", r.Name, float64(n)/48000, m.src.Duration)
		}
	}
}

// promised is how many frames of the grid a source has, counted from its
// packets. It is exact where every picture has a place of its own.
func promised(t *testing.T, path string, v encoder.Video) (n int64, exact bool) {
	t.Helper()
	out := tool(t, "ffprobe", "-select_streams", fmt.Sprint(v.Stream), "-show_entries", "packet=pts_time,duration_time,flags", "-of", "csv=p=0", "file:"+path)
	first, last, packets := math.Inf(1), math.Inf(-1), int64(0)
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 3 || strings.Contains(f[2], "D") || f[0] == "N/A" || seconds(f[0]) < v.Start-0.001 {
			continue
		}
		first, last = min(first, seconds(f[0])), max(last, seconds(f[0])+seconds(f[1]))
		packets++
	}
	if !v.VFR {
		return packets, v.Seekable
	}
	return int64(math.Round((last - first) * v.Rate.Float())), false
}

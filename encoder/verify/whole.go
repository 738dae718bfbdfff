// Package verify holds the checks that a film passes before anyone sees it:
// Whole judges the numbers of all its parts, Walk follows the playlists and
// the manifest as a player would. Decoding is done elsewhere, by the encoder.
package verify

import (
	"fmt"
	"math"
	"path"
	"strings"

	"bobine/encoder"
	"bobine/encoder/packaging"
)

// OK tells whether every check passed; no checks at all prove nothing.
func OK(checks []encoder.Check) bool {
	_, failed := FirstFailed(checks)
	return len(checks) > 0 && !failed
}

// FirstFailed is the first check that did not pass.
func FirstFailed(checks []encoder.Check) (encoder.Check, bool) {
	for _, c := range checks {
		if !c.OK {
			return c, true
		}
	}
	return encoder.Check{}, false
}

// judge makes a check of its findings: without any it passed, and good tells
// by which numbers.
func judge(name string, findings []string, good string, args ...any) encoder.Check {
	if len(findings) == 0 {
		return encoder.Check{Name: name, OK: true, Detail: fmt.Sprintf(good, args...)}
	}
	const most = 5
	detail := strings.Join(findings[:min(most, len(findings))], "; ")
	if more := len(findings) - most; more > 0 {
		detail += fmt.Sprintf("; and %d more", more)
	}
	return encoder.Check{Name: name, Detail: detail}
}

// Whole checks a joined film by its numbers: that every rendition of the
// ladder is there, holds every picture the source promises, begins at zero,
// runs without a gap, has one init segment, shares its segment boundaries
// with the others and is as long as they are.
func Whole(f packaging.Film) []encoder.Check {
	checks := []encoder.Check{renditions(f)}
	for r := range f.Reels() {
		if len(r.Parts) == 0 {
			return checks // renditions has named it
		}
	}
	for _, v := range f.Video {
		checks = append(checks, frames(f, v))
	}
	for r := range f.Reels() {
		checks = append(checks, oneInit(r), timeline(r))
	}
	if len(f.Video) > 0 {
		checks = append(checks, boundaries(f))
	}
	if len(f.Captions) > 0 {
		checks = append(checks, words(f))
	}
	return append(checks, durations(f))
}

func renditions(f packaging.Film) encoder.Check {
	var bad []string
	match := func(want []encoder.Rendition, got []packaging.Reel, parts int) {
		have := map[string]int{}
		for _, r := range got {
			have[r.Name] = len(r.Parts)
		}
		for _, w := range want {
			if n := have[w.Name]; n != parts {
				bad = append(bad, fmt.Sprintf("rendition %s has %d of %d chunks", w.Name, n, parts))
			}
		}
		if len(got) != len(want) {
			bad = append(bad, fmt.Sprintf("there are %d renditions, the ladder has %d", len(got), len(want)))
		}
	}
	match(f.Ladder.Video, f.Video, len(f.Ladder.Chunks))
	match(f.Ladder.Audio, f.Audio, 1)
	if len(f.Video)+len(f.Audio) == 0 {
		bad = append(bad, "there are no renditions")
	}
	return judge("renditions", bad, "%d pictures, %d sounds, %d chunks", len(f.Video), len(f.Audio), len(f.Ladder.Chunks))
}

// frames compares a rung's pictures with those the source promises.
func frames(f packaging.Film, v packaging.Reel) encoder.Check {
	var bad []string
	want, step := int64(0), max(1, v.Step)
	if _, all := f.Ladder.Grid(f.Source); all > 0 {
		want = (all + step - 1) / step
	}
	for i, p := range v.Parts {
		if i >= len(f.Ladder.Chunks) {
			break
		}
		c := f.Ladder.Chunks[i]
		if n := (c.Frames + step - 1) / step; p.Samples() != n {
			bad = append(bad, fmt.Sprintf("%s has %d frames in chunk %d, want %d", v.Folder, p.Samples(), c.Index, n))
		}
	}
	if got := v.Samples(); got != want {
		bad = append(bad, fmt.Sprintf("%s has %d frames, the source promises %d", v.Folder, got, want))
	}
	return judge("frames "+v.Folder, bad, "%d frames, as the source promises", want)
}

// oneInit checks that a player may use one init segment for all chunks.
func oneInit(r packaging.Reel) encoder.Check {
	var bad []string
	first := r.Parts[0]
	for _, p := range r.Parts {
		name := path.Join(r.Folder, encoder.InitName(p.Chunk, p.Attempt))
		if p.Init.Bytes <= 0 {
			bad = append(bad, name+" is empty")
		}
		if p.Init != first.Init {
			bad = append(bad, fmt.Sprintf("%s (%d bytes, %.12s) differs from that of chunk %d (%d bytes, %.12s)",
				name, p.Init.Bytes, p.Init.SHA256, first.Chunk, first.Init.Bytes, first.Init.SHA256))
		}
		if p.Codecs != first.Codecs || p.Timescale != first.Timescale {
			bad = append(bad, fmt.Sprintf("%s is %s at %d ticks a second, chunk %d is %s at %d",
				name, p.Codecs, p.Timescale, first.Chunk, first.Codecs, first.Timescale))
		}
	}
	return judge("init "+r.Folder, bad, "%d chunks share %d bytes, %s", len(r.Parts), first.Init.Bytes, first.Codecs)
}

// timeline checks that the segments of a reel follow each other from zero on.
func timeline(r packaging.Reel) encoder.Check {
	var bad []string
	var next int64
	n := 0
	for name, s := range r.Segments() {
		name = path.Join(r.Folder, name)
		if s.Start != next {
			bad = append(bad, fmt.Sprintf("%s begins at %.6f s, want %.6f s (%+d ticks)", name, r.Seconds(s.Start), r.Seconds(next), s.Start-next))
		}
		if s.Bytes <= 0 || s.Samples <= 0 || s.Duration <= 0 {
			bad = append(bad, fmt.Sprintf("%s is empty: %d bytes, %d samples, %d ticks", name, s.Bytes, s.Samples, s.Duration))
		}
		if r.Rate.Num > 0 {
			if want := r.Rate.Seconds(int64(s.Samples)); math.Abs(r.Seconds(s.Duration)-want) > 1e-6*float64(s.Samples) {
				bad = append(bad, fmt.Sprintf("%s lasts %.6f s, its %d pictures last %.6f s", name, r.Seconds(s.Duration), s.Samples, want))
			}
		}
		next = s.Start + s.Duration
		n++
	}
	return judge("timeline "+r.Folder, bad, "%d segments, 0 to %.6f s without a gap", n, r.Seconds(next))
}

// boundaries checks that a player can switch between rungs at every segment.
func boundaries(f packaging.Film) encoder.Check {
	var bad []string
	starts := func(r packaging.Reel) (all []encoder.Segment, names []string) {
		for name, s := range r.Segments() {
			all, names = append(all, s), append(names, path.Join(r.Folder, name))
		}
		return all, names
	}
	best := f.Video[0]
	want, _ := starts(best)
	for _, v := range f.Video[1:] {
		got, names := starts(v)
		if len(got) != len(want) {
			bad = append(bad, fmt.Sprintf("%s has %d segments, %s has %d", v.Folder, len(got), best.Folder, len(want)))
			continue
		}
		for i := range got {
			a, b := v.Seconds(got[i].Start), best.Seconds(want[i].Start)
			if math.Abs(a-b) > 1e-6 {
				bad = append(bad, fmt.Sprintf("%s begins at %.6f s, the one of %s at %.6f s", names[i], a, best.Folder, b))
			}
		}
	}
	return judge("boundaries", bad, "%d rungs change at the same %d places", len(f.Video), len(want))
}

// syncSlack is by how many seconds sound may end beside the picture.
const syncSlack = 0.040

// durations compares all renditions: pictures within one picture, sounds
// within 40 ms of the source's pictures. A film without pictures is compared
// with its source, whose header may be a little off.
func durations(f packaging.Film) encoder.Check {
	var bad []string
	want := f.Duration()
	for r := range f.Reels() {
		tolerance := r.Rate.Seconds(1)
		if r.Rate.Num == 0 {
			first := r.Parts[0].Segments[0]
			tolerance = r.Seconds(first.Duration) / float64(max(1, first.Samples))
			if len(f.Video) > 0 {
				// The last picture of a rung may stand for more of the source's.
				tolerance = syncSlack + f.Source.Video.Rate.Seconds(max(1, f.Video[0].Step)-1)
			}
		}
		if got := r.Duration(); math.Abs(got-want) > tolerance+1e-6 {
			bad = append(bad, fmt.Sprintf("%s lasts %.3f s, the film %.3f s (more than %.3f s apart)", r.Folder, got, want, tolerance))
		}
	}
	if len(f.Video) == 0 {
		if slack := max(0.5, f.Source.Duration/1000); math.Abs(want-f.Source.Duration) > slack {
			bad = append(bad, fmt.Sprintf("the sound lasts %.3f s, the source %.3f s (more than %.3f s apart)", want, f.Source.Duration, slack))
		}
	}
	return judge("durations", bad, "all %d renditions last %.3f s", len(f.Video)+len(f.Audio), want)
}

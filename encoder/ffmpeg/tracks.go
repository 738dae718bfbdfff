package ffmpeg

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bobine/encoder"
)

// gather combines mono tracks that lie side by side, of one language and
// equally long, into the sounds they form together.
//
// What they say of themselves counts first, by title or by layout: left and
// right, or all of 5.1. Where none says anything their number decides, after
// EBU R 123: two or four are stereo pairs, six are 5.1 in the order L R C LFE
// Ls Rs, eight are that and a stereo pair. Any other number stays apart, as
// do tracks whose titles say something else.
func gather(all []encoder.Audio) (out []encoder.Audio, warnings []string) {
	out = []encoder.Audio{}
	for len(all) > 0 {
		n := 1
		for n < len(all) && alike(all[0], all[n]) {
			n++
		}
		run := all[:n]
		all = all[n:]
		sets := sets(run)
		if sets == nil {
			out = append(out, run...)
			continue
		}
		for _, set := range sets {
			a := combine(run, set)
			out = append(out, a)
			warnings = append(warnings, fmt.Sprintf("mono tracks %s were taken together as %s",
				strings.Trim(fmt.Sprint(append([]int{a.Stream}, a.With...)), "[]"), a.Layout))
		}
	}
	return out, warnings
}

func alike(a, b encoder.Audio) bool {
	return a.Channels == 1 && b.Channels == 1 && a.Language == b.Language && a.Access == b.Access && a.Codec == b.Codec &&
		a.SampleRate == b.SampleRate && math.Abs(a.Start-b.Start) < 0.05 && math.Abs(a.Duration-b.Duration) < 0.2
}

// sets are the indexes of tracks that belong together; none: all stay apart.
func sets(run []encoder.Audio) [][]int {
	named, titled := map[string]int{}, false
	for i, a := range run {
		if r := role(a); r != "" {
			if _, twice := named[r]; twice {
				return nil
			}
			named[r] = i
		} else if a.Title != "" {
			titled = true
		}
	}
	pick := func(roles string) (set []int) {
		for _, r := range strings.Fields(roles) {
			if i, ok := named[r]; ok {
				set = append(set, i)
			}
		}
		return set
	}
	switch n := len(named); {
	case n > 0 && n == len(run):
		var out [][]int
		if set := pick("FL FR FC LFE BL BR"); len(set) == 6 {
			out = append(out, set)
		} else if set := pick("FL FR"); len(set) == 2 && n == len(set)+len(pick("DL DR")) {
			out = append(out, set)
		}
		if set := pick("DL DR"); len(set) == 2 && n == 2+6*len(out) {
			out = append(out, set)
		}
		return out
	case n > 0 || titled:
		return nil
	}
	switch len(run) {
	case 2:
		return [][]int{{0, 1}}
	case 4:
		return [][]int{{0, 1}, {2, 3}}
	case 6:
		return [][]int{{0, 1, 2, 3, 4, 5}}
	case 8:
		return [][]int{{0, 1, 2, 3, 4, 5}, {6, 7}}
	}
	return nil
}

// role is the channel a mono track says it is.
func role(a encoder.Audio) string {
	if _, place, ok := strings.Cut(a.Layout, "("); ok { // "1 channels (FL)"
		return roles[strings.ToLower(strings.TrimSuffix(place, ")"))]
	}
	words := strings.Fields(strings.NewReplacer("-", " ", "_", " ", ".", " ").Replace(strings.ToLower(a.Title)))
	return roles[strings.Join(words, " ")]
}

var roles = map[string]string{
	"l": "FL", "left": "FL", "fl": "FL", "front left": "FL", "r": "FR", "right": "FR", "fr": "FR", "front right": "FR",
	"c": "FC", "center": "FC", "centre": "FC", "fc": "FC", "front center": "FC", "lfe": "LFE", "sub": "LFE", "subwoofer": "LFE",
	"ls": "BL", "sl": "BL", "bl": "BL", "left surround": "BL", "surround left": "BL", "back left": "BL", "side left": "BL",
	"rs": "BR", "sr": "BR", "br": "BR", "right surround": "BR", "surround right": "BR", "back right": "BR", "side right": "BR",
	"lt": "DL", "lo": "DL", "dl": "DL", "stereo left": "DL", "rt": "DR", "ro": "DR", "dr": "DR", "stereo right": "DR",
}

func combine(run []encoder.Audio, set []int) encoder.Audio {
	a := run[set[0]]
	end := a.Start + a.Duration
	for _, i := range set[1:] {
		b := run[i]
		a.With = append(a.With, b.Stream)
		a.Start, end = min(a.Start, b.Start), max(end, b.Start+b.Duration)
	}
	a.Channels, a.Layout, a.Duration = len(set), layouts[len(set)], end-a.Start
	if role(encoder.Audio{Title: a.Title}) != "" {
		a.Title = "" // it named the channel, not the sound
	}
	return a
}

// tracksOf are all tracks of the source that make a sound.
func tracksOf(a encoder.Audio) []int { return append(slices.Clone([]int{a.Stream}), a.With...) }

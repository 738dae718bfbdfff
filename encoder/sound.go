package encoder

import (
	"cmp"
	"fmt"
	"strings"
)

// HasSurround tells whether a 5.1 rendition can be made of the sound: of six
// channels on nobody but cinemas and broadcasters asks for anything else.
func (a Audio) HasSurround() bool {
	return a.Channels >= 6 || strings.HasPrefix(a.Layout, "5.0")
}

// sounds makes the sound renditions of a source: stereo of every programme,
// in the source's order, and 5.1 beside it where there is any.
//
// A stereo and a surround track of one language and title are one programme:
// its stereo is the one the partner mixed, not our downmix.
func (p AudioProfile) sounds(all []Audio) []Rendition {
	var out []Rendition
	taken := map[int]bool{}
	used := map[string]int{}
	for i, a := range all {
		if taken[i] {
			continue
		}
		plain, surround := a, a
		for k, b := range all[i+1:] {
			if !taken[i+1+k] && a.sameProgramme(b) {
				taken[i+1+k] = true
				if b.HasSurround() {
					surround = b
				} else {
					plain = b
				}
				break
			}
		}
		name := cmp.Or(a.Language, "und")
		if used[name]++; used[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, used[name])
		}
		out = append(out, p.stereo(plain, name))
		if surround.HasSurround() && p.Surround > 0 {
			out = append(out, p.surround(surround, name+"-51"))
		}
	}
	return out
}

// sameProgramme tells whether a and b are stereo and surround of one sound.
func (a Audio) sameProgramme(b Audio) bool {
	narrow := min(a.Channels, b.Channels)
	return a.HasSurround() != b.HasSurround() && narrow == 2 && a.Language == b.Language && a.Title == b.Title && a.Access == b.Access
}

func (p AudioProfile) stereo(a Audio, name string) Rendition {
	return Rendition{
		Name: name, Codec: p.Codec, Bitrate: p.Bitrate, Stream: a.Stream,
		Channels: p.Channels, SampleRate: p.SampleRate,
		Language: a.Language, Title: a.Title, Loudness: p.Loudness, Access: a.Access,
	}
}

func (p AudioProfile) surround(a Audio, name string) Rendition {
	r := p.stereo(a, name)
	r.Channels, r.Bitrate = 6, p.Surround
	return r
}

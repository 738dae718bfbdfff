package ffmpeg

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Part is something an ffmpeg may be built with.
type Part struct {
	Kind, Name string // "encoder" or "filter", as ffmpeg calls it
	For        string // what is not possible without it
	Needed     bool   // by every farm
	There      bool
}

// Parts tells of each part we use whether this ffmpeg has it.
func (e *Encoder) Parts(ctx context.Context) ([]Part, error) {
	all := []Part{
		{Kind: "encoder", Name: "libx264", For: "profiles in H.264", Needed: true},
		{Kind: "encoder", Name: "libx265", For: "profiles in HEVC"},
		{Kind: "encoder", Name: "libsvtav1", For: "profiles in AV1"},
		{Kind: "encoder", Name: "aac", For: "all sound", Needed: true},
		{Kind: "filter", Name: "zscale", For: "HDR sources in true colours"},
		{Kind: "filter", Name: "tonemap", For: "HDR sources in true colours"},
		{Kind: "filter", Name: "bwdif", For: "interlaced sources", Needed: true},
		{Kind: "filter", Name: "loudnorm", For: "even loudness", Needed: true},
	}
	for _, kind := range []string{"encoder", "filter"} {
		out, err := exec.CommandContext(ctx, e.ffmpeg, "-hide_banner", "-v", "error", "-"+kind+"s").Output()
		if err != nil {
			return nil, fmt.Errorf("ask %s for its %ss: %w", e.ffmpeg, kind, err)
		}
		has := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) > 1 { // letters, name, words
				has[f[1]] = true
			}
		}
		for i := range all {
			if all[i].Kind == kind {
				all[i].There = has[all[i].Name]
			}
		}
	}
	return all, nil
}

// Paths are where ffmpeg and ffprobe were found.
func (e *Encoder) Paths() (ffmpeg, ffprobe string) { return e.ffmpeg, e.ffprobe }

package controller

import (
	"slices"
	"testing"

	"bobine/encoder"
	"bobine/queue"
)

// Captions are a task of their own, for which verification waits, and what
// they lack is told.
func TestAdvanceCaptions(t *testing.T) {
	f := newFarm(t)
	f.v.profile.Captions = true
	src := halfMinute
	src.Captions = []encoder.Caption{{Stream: 2, Kind: encoder.CaptionText}}
	f.run(queue.KindProbe, queue.Outcome{Source: &src}, nil)
	f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.run(queue.KindVideo, queue.Outcome{Encode: &encoder.Result{}}, nil)
	f.want(queue.Encoding)
	f.run(queue.KindCaptions, queue.Outcome{Encode: &encoder.Result{}, Warnings: []string{"no words"}}, nil)
	f.want(queue.Verifying)
	f.finish()
	if !slices.Contains(f.v.job.Warnings, "no words") {
		t.Errorf("the warnings are %q", f.v.job.Warnings)
	}
}

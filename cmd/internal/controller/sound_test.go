package controller

import (
	"testing"

	"bobine/encoder"
	"bobine/queue"
)

// The sound of an unread source waits for its pictures, its captions for what
// was found in them, and what was heard becomes part of the source.
func TestSoundAfterPictures(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		f := newFarm(t)
		src := halfMinute
		src.Unread = true
		src.Captions = []encoder.Caption{{Kind: encoder.CaptionCEA608}}
		f.v.profile.Captions = true
		f.run(queue.KindProbe, queue.Outcome{Source: &src}, nil)
		count := func(k queue.Kind) (n int) {
			for _, x := range f.v.tasks {
				if x.Kind == k {
					n++
				}
			}
			return n
		}
		if count(queue.KindVideo) != 3 || count(queue.KindAudio)+count(queue.KindCaptions) != 0 {
			t.Fatalf("after the probe: %+v", f.v.tasks)
		}
		made := encoder.Result{}
		if hidden {
			made.Line21 = &encoder.File{Bytes: 1}
		}
		f.run(queue.KindVideo, queue.Outcome{Encode: &made}, nil)
		f.want(queue.Encoding)
		if n := count(queue.KindCaptions); n != map[bool]int{true: 1}[hidden] {
			t.Errorf("hidden %t: %d tasks read captions", hidden, n)
		}
		if hidden {
			f.run(queue.KindCaptions, queue.Outcome{Encode: &encoder.Result{}}, nil)
		}
		f.want(queue.Encoding)
		heard := []encoder.Audio{{Stream: 1, Channels: 2, Stereo: &encoder.Loudness{Integrated: -20}}}
		f.run(queue.KindAudio, queue.Outcome{Encode: &encoder.Result{Heard: heard}}, nil)
		f.want(queue.Verifying)
		if got := f.v.job.Source; got.Audio[0].Stereo == nil || (len(got.Captions) == 1) != hidden || halfMinute.Audio[0].Stereo != nil {
			t.Errorf("hidden %t: the source is %+v", hidden, got)
		}
	}
}

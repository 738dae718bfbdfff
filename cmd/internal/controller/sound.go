package controller

import (
	"slices"

	"bobine/encoder"
	"bobine/queue"
)

// sound makes the tasks of all that is no picture.
func (s *step) sound(captions bool) error {
	if len(s.job.Ladder.Audio) > 0 {
		// Sound costs about a fiftieth of a picture ladder.
		if err := s.ensure(queue.KindAudio, 0, s.job.Source.Duration/50); err != nil {
			return err
		}
	}
	if captions {
		return s.ensure(queue.KindCaptions, 0, s.job.Source.Duration/50)
	}
	return nil
}

// soundAfter begins with the sound of an unread source when all its pictures
// are done: by then who made them has passed the sound that lies between, and
// nothing of the film is fetched twice. When the sound is done too, what was
// heard of it is known.
func (s *step) soundAfter() error {
	if !s.job.Source.Unread {
		return nil
	}
	hidden := false
	for _, t := range s.known {
		if t.Kind == queue.KindVideo && t.State != queue.Finished {
			return nil
		}
		o := s.outcomes[t.ID].Encode
		if o == nil {
			continue
		}
		hidden = hidden || o.Line21 != nil
		if o.Heard != nil {
			src := *s.job.Source
			src.Audio, s.job.Source = o.Heard, &src
		}
	}
	inPicture := func(stream int) bool { return s.job.Source.Video != nil && stream == s.job.Source.Video.Stream }
	if !hidden && slices.ContainsFunc(s.job.Source.Captions, func(c encoder.Caption) bool { return inPicture(c.Stream) }) {
		src := *s.job.Source
		src.Captions = slices.DeleteFunc(slices.Clone(src.Captions), func(c encoder.Caption) bool { return inPicture(c.Stream) })
		s.job.Source = &src
	}
	return s.sound(hidden || slices.ContainsFunc(s.job.Ladder.Captions, func(r encoder.Rendition) bool { return !inPicture(r.Stream) }))
}

package controller

import (
	"sync"
	"time"

	"bobine/queue"
)

// silence judges which attempts are lost. A worker is silent when its beat
// number has not grown for so long on our clock, and only time in which we
// had the ledger ourselves counts: for claims and messages too. It is safe for
// concurrent use.
type silence struct {
	limit time.Duration

	mu      sync.Mutex
	heard   map[string]heard // by worker
	last    time.Time        // of the hearing before
	since   time.Time        // of the last amnesty: what is older is counted from here
	free    time.Time        // since when, with a message on its way, some worker has had a free slot; zero: none has
	amnesty bool
}

type heard struct {
	seq int64
	at  time.Time
}

func newSilence(limit time.Duration) *silence {
	return &silence{limit: limit, heard: map[string]heard{}}
}

// pardon gives every worker a fresh grace: the ledger was out of reach, so
// nobody could be heard.
func (s *silence) pardon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.amnesty = true
}

// when tells when a worker was heard last; zero: never.
func (s *silence) when(worker string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[worker].at
}

// hear notes the beats of now. A long pause between two hearings was our
// own sleep, not the workers'.
func (s *silence) hear(beats []queue.Beat, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last) > s.limit/2 {
		s.amnesty = true
	}
	s.last = now
	for _, b := range beats {
		if h, ok := s.heard[b.Worker]; !ok || h.seq != b.Seq || s.amnesty {
			s.heard[b.Worker] = heard{b.Seq, now}
		}
	}
	if s.amnesty {
		s.since = now
		for w := range s.heard {
			s.heard[w] = heard{s.heard[w].seq, now}
		}
	}
	s.amnesty = false
}

// lost tells why an attempt must be given to another worker, or nothing.
func (s *silence) lost(t queue.Task, beats []queue.Beat, gone func(queue.Beat) bool, now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := t.Since
	if s.since.After(began) {
		began = s.since
	}
	if t.State == queue.Dispatched {
		if !idle(s.beating(beats, gone, now)) {
			s.free = time.Time{}
			return ""
		}
		if s.free.IsZero() {
			s.free = now
		}
		if now.Sub(began) > s.limit && now.Sub(s.free) > s.limit {
			return "no worker took it although slots are free"
		}
		return ""
	}
	h, known := s.heard[t.Owner]
	if !known {
		// A worker of before our start that we never heard: count from now.
		s.heard[t.Owner] = heard{at: now}
		return ""
	}
	for _, b := range beats {
		if b.Worker != t.Owner {
			continue
		}
		if gone(b) {
			return "its worker's machine is gone"
		}
		hold, holds := b.Holds[t.ID]
		if b.Seq == h.seq && now.Sub(h.at) > s.limit {
			return "its worker has been silent for " + s.limit.String()
		}
		// A claim is younger than the beat that would tell of it.
		if (!holds || hold.Attempt != t.Attempt) && now.Sub(began) > s.limit {
			return "its worker no longer has it"
		}
		return ""
	}
	if now.Sub(h.at) > s.limit {
		return "its worker said nothing for " + s.limit.String()
	}
	return ""
}

// live are the beats of workers that can be given work.
func (s *silence) live(beats []queue.Beat, gone func(queue.Beat) bool, now time.Time) []queue.Beat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beating(beats, gone, now)
}

func (s *silence) beating(beats []queue.Beat, gone func(queue.Beat) bool, now time.Time) []queue.Beat {
	var out []queue.Beat
	for _, b := range beats {
		if !b.Stopped && !gone(b) && now.Sub(s.heard[b.Worker].at) <= s.limit {
			out = append(out, b)
		}
	}
	return out
}

// idle tells whether some worker has a free slot.
func idle(beats []queue.Beat) bool {
	for _, b := range beats {
		if len(b.Holds) < b.Slots {
			return true
		}
	}
	return false
}

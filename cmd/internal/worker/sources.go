package worker

import (
	"fmt"
	"path/filepath"
	"sync"

	"bobine/storage"
	"bobine/storage/blocks"
)

// sources are the far sources this worker reads. Each is kept, as far as it
// was read, for the next task of its job.
type sources struct {
	dir  string
	most int64 // bytes to keep of those nobody reads

	mu   sync.Mutex
	all  map[string]*source // by job
	made int
	turn int64
}

type source struct {
	*blocks.File
	job   string
	mark  string
	users int
	last  int64 // turn in which it was used

	came   sync.Mutex
	loaded map[storage.Ref]bool // of what others passed
	given  []storage.Span       // by that
}

// keepSources bounds what is kept of sources between tasks.
const keepSources = 32 << 30

func newSources(dir string) *sources {
	return &sources{dir: dir, most: keepSources, all: map[string]*source{}}
}

// hold gives the source of a job, which find finds unless it is here; it must
// be released.
func (s *sources) hold(job string, find func() (far, error)) (*source, error) {
	if known := s.take(job); known != nil {
		return known, nil
	}
	f, err := find()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[job] == nil { // else another task was faster
		s.made++
		file, err := blocks.New(filepath.Join(s.dir, fmt.Sprintf("source-%s-%d", job, s.made)), f.size, f.open)
		if err != nil {
			return nil, err
		}
		s.all[job] = &source{File: file, job: job, mark: f.mark, loaded: map[storage.Ref]bool{}}
	}
	s.all[job].users++
	return s.all[job], nil
}

func (s *sources) take(job string) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.all[job]; known != nil {
		known.users++
		return known
	}
	return nil
}

// release lets go of a source. Of those nobody reads, the ones longest unused
// make room.
func (s *sources) release(f *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	f.users, f.last = f.users-1, s.turn
	s.shrink(s.most)
}

// clear makes all the room there is.
func (s *sources) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shrink(0)
}

func (s *sources) shrink(most int64) {
	for {
		var sum int64
		var oldest *source
		for _, f := range s.all {
			sum += f.Fetched()
			if f.users == 0 && (oldest == nil || f.last < oldest.last) {
				oldest = f
			}
		}
		if sum <= most || oldest == nil {
			return
		}
		delete(s.all, oldest.job)
		_ = oldest.Close()
	}
}

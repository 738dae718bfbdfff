package providertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"bobine/provisioner"
)

// What is terminated ends, and nobody else; twice is success.
func (s suite) terminate(t *testing.T) {
	p := s.open(t)
	made := names(must(t, p, request(t, p, "a", 4)))
	if err := p.Terminate(t.Context()); err != nil {
		t.Errorf("terminate nothing: %v", err)
	}
	s.live(t, p, made...)
	for range 2 {
		if err := p.Terminate(t.Context(), made[:2]...); err != nil {
			t.Errorf("terminate: %v", err)
		}
	}
	s.live(t, p, made[2:]...)
	if err := p.Terminate(t.Context(), made[2], made[2], made[0]); err != nil {
		t.Errorf("terminate one twice in a call: %v", err)
	}
	s.live(t, p, made[3])
}

// An absent instance is success, and no reason to let others live.
func (s suite) absent(t *testing.T) {
	p := s.open(t)
	made := names(must(t, p, request(t, p, "a", 3)))
	if err := p.Terminate(t.Context(), s.traits.Absent...); err != nil {
		t.Errorf("terminate absent ones: %v", err)
	}
	s.live(t, p, made...)
	mixed := slices.Concat(made[:1], s.traits.Absent, made[1:2])
	if err := p.Terminate(t.Context(), mixed...); err != nil {
		t.Errorf("terminate %v: %v", mixed, err)
	}
	s.live(t, p, made[2])
}

// One that cannot be ended is named, and everybody else ends.
func (s suite) protected(t *testing.T) {
	if s.traits.Protect == nil {
		t.Skip("it ends whatever it is told to")
	}
	p := s.open(t)
	made := names(must(t, p, request(t, p, "a", 5)))
	s.live(t, p, made...)
	s.traits.Protect(t, made[2])
	all := slices.Concat(made[:3], s.traits.Absent, made[3:])
	err := p.Terminate(t.Context(), all...)
	if err == nil || !strings.Contains(err.Error(), string(made[2])) {
		t.Errorf("%v: want an error that names %s", err, made[2])
	}
	for _, id := range append(slices.Clone(s.traits.Absent), made[0], made[1], made[3], made[4]) {
		if err != nil && id != "" && strings.Contains(err.Error(), string(id)) {
			t.Errorf("%v: names %s, which does not live on", err, id)
		}
	}
	s.live(t, p, made[2])
}

// The list is of the whole farm, each instance once, whoever launched it.
func (s suite) list(t *testing.T) {
	p := s.open(t)
	if all, err := p.List(t.Context()); err != nil || len(alive(all)) > 0 {
		t.Fatalf("a new farm has %+v, %v", all, err)
	}
	var made []provisioner.InstanceID
	for n := range 4 {
		made = append(made, names(must(t, p, request(t, p, fmt.Sprint("launch", n), 3)))...)
	}
	all := names(s.live(t, p, made...))
	if slices.Sort(all); len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("an instance is listed twice: %v", all)
	}
	if s.traits.Again == nil {
		return
	}
	q := s.traits.Again(t)
	s.live(t, q, made...)
	if err := q.Terminate(t.Context(), made[1:]...); err != nil {
		t.Errorf("terminate what another launched: %v", err)
	}
	s.live(t, p, made[0])
}

// A launch that is told many times at once launches once.
func (s suite) atOnce(t *testing.T) {
	p := s.open(t)
	r := request(t, p, "a", 2)
	told := make([][]provisioner.InstanceID, 8)
	var all sync.WaitGroup
	for n := range told {
		all.Go(func() {
			l, err := p.Launch(t.Context(), r)
			if err != nil {
				t.Error(err)
			}
			told[n] = names(l.Instances)
		})
	}
	all.Wait()
	var made []provisioner.InstanceID
	for _, ids := range told {
		if len(ids) == 0 {
			continue
		}
		if made == nil {
			made = ids
		}
		if !same(ids, made) {
			t.Errorf("one was told %v, another %v", made, ids)
		}
	}
	if len(made) != r.Count {
		t.Fatalf("%v: want %d instances told to one at least", told, r.Count)
	}
	s.live(t, p, made...)
}

// Everything may be called at once: who is ended ends, who is not lives.
func (s suite) sideBySide(t *testing.T) {
	p := s.open(t)
	var mu sync.Mutex
	var kept []provisioner.InstanceID
	var all sync.WaitGroup
	for n := range 4 {
		r := request(t, p, fmt.Sprint("launch", n), 2)
		all.Go(func() {
			l, err := p.Launch(t.Context(), r)
			if err != nil || len(l.Instances) != 2 {
				t.Errorf("launch %s: %+v, %v", r.ID, l, err)
				return
			}
			if err := p.Terminate(t.Context(), l.Instances[0].ID); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, l.Instances[1].ID)
		})
		all.Go(func() {
			if _, err := p.List(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := p.Offers(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !t.Failed() {
		s.live(t, p, kept...)
	}
}

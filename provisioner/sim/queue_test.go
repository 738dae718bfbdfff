package sim

import (
	"math/rand/v2"
	"testing"
)

// Tasks are handed out in order, also when films are cancelled that stand in
// the queue.
func TestReadyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var q readyQueue
		for i := range 40 {
			f := &film{drop: &drop{id: i}, deadline: float64(r.IntN(1000)), n: 1}
			if r.IntN(2) == 0 {
				f.enter(encoding, 0)
			}
			q.push(f)
		}
		for _, i := range r.Perm(40)[:10] {
			q[i].phase = over
		}
		var last *film
		taken := 0
		for f := q.first(); f != nil; f = q.first() {
			if last != nil && before(f, last) {
				t.Fatalf("phase %d, due at %g, comes after phase %d, due at %g", f.phase, f.deadline, last.phase, last.deadline)
			}
			last = f
			for f.ready() > 0 {
				f.take()
			}
			taken++
		}
		if taken != 30 {
			t.Fatalf("%d films of 30", taken)
		}
	}
}

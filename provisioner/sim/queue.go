package sim

// readyQueue is a heap of films with ready tasks: probes first, then the
// earliest deadline, then the first to arrive. Tasks do not enter it: taking
// one costs nothing but a look at the first film.
type readyQueue []*film

func before(a, b *film) bool {
	switch {
	case a.probes != b.probes:
		return a.probes
	case a.deadline != b.deadline:
		return a.deadline < b.deadline
	case a.drop != b.drop:
		return a.drop.id < b.drop.id
	default:
		return a.arrived < b.arrived || a.arrived == b.arrived && a.seed < b.seed
	}
}

// push enters a film, unless it is there or has nothing ready.
func (q *readyQueue) push(f *film) {
	if f.queued || f.ready() == 0 {
		return
	}
	f.queued, f.probes = true, f.phase == waiting
	*q = append(*q, f)
	h := *q
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !before(h[i], h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

// first is the film whose task is next; nil: nothing is ready. Films that
// have no more tasks leave.
func (q *readyQueue) first() *film {
	for len(*q) > 0 {
		f := (*q)[0]
		if f.ready() > 0 {
			return f
		}
		f.queued = false
		q.pop()
	}
	return nil
}

func (q *readyQueue) pop() {
	h := *q
	last := len(h) - 1
	h[0], h[last] = h[last], nil
	h = h[:last]
	for i := 0; ; {
		least, l, r := i, 2*i+1, 2*i+2
		if l < len(h) && before(h[l], h[least]) {
			least = l
		}
		if r < len(h) && before(h[r], h[least]) {
			least = r
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*q = h
}

package sim

import (
	"container/heap"
	"slices"
)

// crowded marks films that end late though all work runs by deadline at a
// given rate without a pause.
func crowded(films []*film, rate float64) {
	slices.SortStableFunc(films, func(a, b *film) int { return sign(a.arrived - b.arrived) })
	var q byDeadline
	now := 0.0
	for len(films) > 0 || len(q) > 0 {
		until := never
		if len(films) > 0 {
			until = films[0].arrived
		}
		for len(q) > 0 && now < until {
			take := min(q[0].left/rate, until-now)
			now += take
			if q[0].left -= take * rate; q[0].left <= 1e-6 {
				f := heap.Pop(&q).(crowd)
				f.hopeless = f.hopeless || now > f.deadline
			}
		}
		if len(films) > 0 {
			now = max(now, until)
			heap.Push(&q, crowd{films[0], films[0].total()})
			films = films[1:]
		}
	}
}

type crowd struct {
	*film
	left float64
}

type byDeadline []crowd

func (q byDeadline) Len() int           { return len(q) }
func (q byDeadline) Less(i, j int) bool { return before(q[i].film, q[j].film) }
func (q byDeadline) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *byDeadline) Push(x any)        { *q = append(*q, x.(crowd)) }
func (q *byDeadline) Pop() any {
	x := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return x
}

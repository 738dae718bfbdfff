package backup

import (
	"hash/fnv"
	"time"
)

// Due tells whether a job's film is of the share to be read on a day, when all
// are to be read once within a span of whole days. Over such a span each job
// is due on exactly one day.
func Due(job string, day time.Time, span time.Duration) bool {
	days := int64(span / (24 * time.Hour))
	if days < 1 {
		days = 1
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(job)) // never fails
	return int64(h.Sum32())%days == day.UTC().Unix()/86400%days
}

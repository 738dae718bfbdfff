package e2e

import (
	"slices"
	"testing"
	"time"

	"bobine/configs"
)

// BenchmarkTurnaround measures what the farm adds to an encode: wall time
// from submit to done less the encode's own, on a film of ten seconds.
func BenchmarkTurnaround(b *testing.B) {
	f := start(b, func(c *configs.Config) { c.Encode.Chunk = 12 * time.Second })
	path := film(b, 10, "320x180")
	f.done(b, f.submit(b, path).ID) // the first one warms caches and workers
	var total []float64
	for b.Loop() {
		begun := time.Now()
		j := f.done(b, f.submit(b, path).ID)
		encode := 0.0
		for _, task := range j.Tasks {
			encode = max(encode, task.Seconds) // picture and sound are encoded side by side
		}
		total = append(total, time.Since(begun).Seconds()-encode)
	}
	slices.Sort(total)
	b.ReportMetric(total[len(total)/2], "overhead-s")
}

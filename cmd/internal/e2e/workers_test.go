package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"bobine/configs"
)

// BenchmarkWorkers compares what two workers, each kept to a core of its own,
// get done with what one gets done: six films at once, whose chunks are all
// equally long, from the first submit to the last film done, so with probes,
// sounds, checks and what waits for what. One iteration is one pair, and every
// other pair is run in the other order: -benchtime 3x takes the median.
//
// throughput-ratio is by the clock, and so only true of a machine with nothing
// else to do. throughput-ratio-cpu is what the farm alone is to blame for: how
// much larger a share of its time a worker encodes when it is alone, and what
// the same work costs two in processor time.
func BenchmarkWorkers(b *testing.B) {
	need(b, "taskset")
	path := film(b, 24, "640x360")
	var clock, own []float64
	for i := 0; b.Loop(); i++ {
		var one, two shift
		if i%2 == 0 {
			one, two = work6(b, 1, path), work6(b, 2, path)
		} else {
			two, one = work6(b, 2, path), work6(b, 1, path)
		}
		b.Logf("pair %d: one worker %s; two workers %s", i, one, two)
		clock = append(clock, one.wall/two.wall)
		own = append(own, 2*two.encoding/one.encoding*one.cpu/two.cpu)
	}
	slices.Sort(clock)
	slices.Sort(own)
	b.ReportMetric(clock[len(clock)/2], "throughput-ratio")
	b.ReportMetric(own[len(own)/2], "throughput-ratio-cpu")
}

// shift is what some films cost.
type shift struct {
	wall, cpu float64 // seconds
	encoding  float64 // the share of the workers' time in which they encode
}

func (s shift) String() string {
	return fmt.Sprintf("%.1f s, %.1f CPU-s, encoding %.0f %% of the time", s.wall, s.cpu, 100*s.encoding)
}

// work6 has so many workers make six films.
func work6(b *testing.B, workers int, path string) shift {
	b.Helper()
	core := 0
	pinned := func() (*exec.Cmd, error) {
		cmd, err := work()
		if err != nil {
			return nil, err
		}
		args := append([]string{"--cpu-list", fmt.Sprint(core % workers)}, cmd.Args...)
		core++
		on := exec.Command("taskset", args...)
		on.Env, on.Stderr = cmd.Env, cmd.Stderr
		return on, nil
	}
	before := reaped(b)
	f := staff(b, pinned, slow, func(c *configs.Config) { c.Fleet.Min, c.Fleet.Max, c.Fleet.Slots = workers, workers, 1 })
	f.done(b, f.submit(b, film(b, 2, "320x180")).ID) // the workers are there
	var s shift
	begun := time.Now()
	var ids []string
	for range 6 {
		ids = append(ids, f.submit(b, path).ID)
	}
	for _, id := range ids {
		for _, t := range f.done(b, id).Tasks {
			s.encoding += t.Seconds
		}
	}
	s.wall = time.Since(begun).Seconds()
	s.encoding /= s.wall * float64(workers)
	f.down()
	s.cpu = reaped(b) - before
	return s
}

// reaped is the processor time of ended children, in seconds.
func reaped(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

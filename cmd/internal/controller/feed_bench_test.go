package controller

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage/state"
)

// BenchmarkFeed is one decision who runs next, and one dispatch, while so many
// jobs of 50 partners wait. A million only where BOBINE_BENCH_WAITING asks for
// it: it takes 3 GB.
func BenchmarkFeed(b *testing.B) {
	sizes := []int{1_000, 100_000}
	if n, err := strconv.Atoi(os.Getenv("BOBINE_BENCH_WAITING")); err == nil {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			f := newField(b, 1)
			crowd(b, f, n)
			b.Run("decide", func(b *testing.B) {
				measure(b, func() {
					choices, err := f.choose(b.Context(), nil, atOnce, f.now)
					if err != nil || len(choices) == 0 {
						b.Fatalf("%d choices, %v", len(choices), err)
					}
				})
			})
			b.Run("dispatch", func(b *testing.B) {
				var next []queue.Choice
				measure(b, func() {
					if len(next) == 0 {
						b.StopTimer()
						var err error
						if next, err = f.choose(b.Context(), nil, atOnce, f.now); err != nil || len(next) == 0 {
							b.Fatalf("%d choices, %v", len(next), err)
						}
						b.StartTimer()
					}
					check(b, f.dispatch(b.Context(), next[0], f.now))
					next = next[1:]
				})
			})
		})
	}
}

// crowd makes n waiting jobs, each with its probe.
func crowd(b *testing.B, f *field, n int) {
	b.Helper()
	var c state.Change
	for i := range n {
		p := fmt.Sprintf("partner%02d", i%50)
		j := queue.Job{
			ID: queue.NewID(f.now), Partner: p, Title: fmt.Sprintf("film %d", i), Profile: "web", State: queue.Received,
			Origin:  queue.Origin{URL: fmt.Sprintf("s3://inbox-%s/drop/film-%d.mov", p, i), Bytes: 2e9, Mark: "0123456789abcdef"},
			Created: f.now, Deadline: f.now.Add(24*time.Hour + time.Duration(i)*time.Millisecond), Tasks: 1,
		}
		tasks := []queue.Task{j.NewTask(queue.KindProbe, 0, f.now)}
		f.oracle.fill(j, tasks, tasks)
		c.Jobs, c.Tasks = append(c.Jobs, j), append(c.Tasks, tasks...)
		if len(c.Jobs) == 500 || i == n-1 {
			check(b, f.ledger.Commit(b.Context(), c))
			c = state.Change{}
		}
	}
}

// measure runs fn and reports, in milliseconds, what one run took and used of
// our own processor time, and what memory Redis and we hold.
func measure(b *testing.B, fn func()) {
	var walls, cpus []float64
	for b.Loop() {
		began, used := time.Now(), processor()
		fn()
		cpus = append(cpus, float64(processor()-used)/1e6)
		walls = append(walls, float64(time.Since(began))/1e6)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	b.ReportMetric(walls[len(walls)/2], "wall-p50-ms")
	b.ReportMetric(cpus[len(cpus)/2], "cpu-p50-ms")
	b.ReportMetric(cpus[len(cpus)*99/100], "cpu-p99-ms")
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc>>20), "heap-MB")
	b.ReportMetric(redisMemory(), "redis-MB")
}

// processor is the time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// redisMemory is what our redis-server holds of this machine's memory, in MB; 0: unknown.
func redisMemory() float64 {
	var children []byte
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range tasks {
		more, _ := os.ReadFile(name)
		children = append(append(children, ' '), more...)
	}
	for _, pid := range strings.Fields(string(children)) {
		status, _ := os.ReadFile("/proc/" + pid + "/status")
		if _, rss, ok := strings.Cut(string(status), "VmRSS:"); ok && strings.Contains(string(status), "redis-server") {
			kb, _ := strconv.ParseFloat(strings.Fields(rss)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

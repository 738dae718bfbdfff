package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/queue"
)

// slow is a ladder whose chunks take long enough to be interrupted.
func slow(c *configs.Config) { c.Profile = "slow" }

// midway waits until some chunks are done and another is being encoded.
func (f *farm) midway(t *testing.T, id string) api.Job {
	t.Helper()
	return f.until(t, id, "the middle of the film", func(j api.Job) bool {
		if j.State.Ended() {
			t.Fatalf("the job was %s before anything could happen to it: %+v", j.State, j.Error)
		}
		done, running := 0, 0
		for _, task := range j.Tasks {
			if task.Kind == queue.KindVideo && task.State == queue.Finished {
				done++
			}
			if task.Kind == queue.KindVideo && task.State == queue.Running {
				running++
			}
		}
		return done > 0 && running > 0
	})
}

// again counts the attempts that had begun and did not count.
func again(j api.Job) (n int) {
	for _, task := range j.Tasks {
		n += task.Lost + task.Failures
	}
	return n
}

// pidOf is the process of the worker that runs some task of the job.
func pidOf(t *testing.T, j api.Job) int {
	t.Helper()
	for _, task := range j.Tasks {
		if task.State == queue.Running {
			if pid := pidIn(task.Worker); pid > 0 {
				return pid
			}
		}
	}
	t.Fatal("no task runs")
	return 0
}

// pidIn is the process in a worker's name, host-pid-start; 0: there is none.
func pidIn(worker string) int {
	parts := strings.Split(worker, "-")
	pid, err := strconv.Atoi(parts[max(0, len(parts)-2)])
	if err != nil {
		return 0
	}
	return pid
}

// A worker killed in the middle of a film costs one chunk for each of its
// slots, and the film is whole.
func TestWorkerKilled(t *testing.T) {
	f := start(t, slow)
	id := f.submit(t, film(t, 24, "640x360")).ID
	pid := pidOf(t, f.midway(t, id))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	f.until(t, id, "the lost chunk to run again", func(j api.Job) bool {
		for _, task := range j.Tasks {
			if task.Attempt > 1 && task.State != queue.Waiting && task.State != queue.Dispatched {
				return true
			}
		}
		return false
	})
	if d := time.Since(killed); d > 30*time.Second {
		t.Errorf("the lost chunk ran again after %s", d)
	}
	j := f.done(t, id)
	if n := again(j); n < 1 || n > 2 {
		t.Errorf("%d attempts were made again, want 1 or 2 (two slots)", n)
	}
}

// A worker frozen for so long that its attempts were given up stops them when
// it wakes, and the film is whole.
func TestWorkerFrozen(t *testing.T) {
	f := start(t, slow, func(c *configs.Config) { c.Lease.Silence = 3 * time.Second; c.Lease.Beat = 500 * time.Millisecond })
	id := f.submit(t, film(t, 16, "640x360")).ID
	pid := pidOf(t, f.midway(t, id))
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.until(t, id, "its attempts to be given up", func(j api.Job) bool { return again(j) > 0 })
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if j := f.done(t, id); again(j) > 2 {
		t.Errorf("%d attempts were made again, want at most 2 (two slots)", again(j))
	}
}

// The farm killed outright leaves no process behind; started again on the
// same folder it goes on where it stopped.
func TestFarmKilled(t *testing.T) {
	data := t.TempDir()
	t.Setenv(profileEnv, "slow")
	f, cmd := spawn(t, data)
	id := f.submit(t, film(t, 24, "640x360")).ID
	f.midway(t, id)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "every child to be gone", 10*time.Second, func(context.Context) bool { return len(using(t, data)) == 0 })

	f, _ = spawn(t, data)
	j := f.done(t, id)
	if n := again(j); n > 2 {
		t.Errorf("%d attempts were made again, want at most 2 (two slots)", n)
	}
}

// using lists the processes whose command line or environment names a folder.
func using(t *testing.T, dir string) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(procs) == 0 {
		t.Skip("this system has no /proc")
	}
	var out []string
	for _, p := range procs {
		if filepath.Base(p) == strconv.Itoa(os.Getpid()) {
			continue
		}
		cmdline, _ := os.ReadFile(p + "/cmdline")
		environ, _ := os.ReadFile(p + "/environ")
		cwd, _ := os.Readlink(p + "/cwd")
		if strings.Contains(string(cmdline)+string(environ)+cwd, dir) {
			out = append(out, p+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return out
}

// Redis hung in the middle of a film: no encode is lost, none starts twice.
// BOBINE_TEST_OUTAGE makes it longer.
func TestRedisHangs(t *testing.T) {
	outage := 12 * time.Second
	if s := os.Getenv("BOBINE_TEST_OUTAGE"); s != "" {
		var err error
		if outage, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	f := start(t, slow)
	id := f.submit(t, film(t, 24, "640x360")).ID
	f.midway(t, id)
	pid := redisOf(t, os.Getpid())
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(outage)
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if j := f.done(t, id); again(j) != 0 {
		t.Errorf("%d attempts were made again after an outage of %s", again(j), outage)
	}
}

// Redis killed in the middle of a film is started again by the farm, with
// nothing forgotten.
func TestRedisKilled(t *testing.T) {
	f := start(t, slow)
	id := f.submit(t, film(t, 16, "640x360")).ID
	f.midway(t, id)
	if err := syscall.Kill(redisOf(t, os.Getpid()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if j := f.done(t, id); again(j) != 0 {
		t.Errorf("%d attempts were made again", again(j))
	}
}

// redisOf finds the redis-server that is a child of a process.
func redisOf(t *testing.T, parent int) int {
	t.Helper()
	procs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, p := range procs {
		stat, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		var pid, ppid int
		var name, state string
		if _, err := fmt.Sscan(string(stat), &pid, &name, &state, &ppid); err == nil && ppid == parent && name == "(redis-server)" {
			return pid
		}
	}
	t.Skip("the farm's redis-server was not found under /proc")
	return 0
}

// A full disk fails the job with that word and publishes nothing; with room
// again, a retry finishes it.
func TestDiskFull(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=400k"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	f := start(t, func(c *configs.Config) { c.Storage.Outputs = small; c.Encode.Attempts = 1 })
	id := f.submit(t, film(t, 16, "320x180")).ID
	j := f.end(t, id)
	if j.State != queue.Failed || j.Error == nil || j.Error.Code != queue.CodeNoSpace {
		t.Fatalf("the job is %s: %+v", j.State, j.Error)
	}
	if found, _ := filepath.Glob(small + "/outputs/*/*/*.m3u8"); len(found) > 0 {
		t.Errorf("published in spite of it: %v", found)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=100m"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	f.done(t, id)
}

// A cancelled job stops its encodes, and a retry makes the film after all.
func TestCancelAndRetry(t *testing.T) {
	f := start(t, slow)
	id := f.submit(t, film(t, 16, "640x360")).ID
	f.midway(t, id)
	j, err := f.Cancel(t.Context(), id)
	if err != nil || j.State != queue.Cancelled {
		t.Fatalf("cancel: %s, %v", j.State, err)
	}
	if _, err := f.Cancel(t.Context(), id); err != nil {
		t.Errorf("cancel again: %v", err)
	}
	await(t, "the encodes to stop", 15*time.Second, func(ctx context.Context) bool { return len(using(t, f.data+"/scratch")) == 0 })
	if _, err := f.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	f.done(t, id)
}

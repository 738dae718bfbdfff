// Package e2e runs the whole farm: a real Redis, a real ffmpeg, real worker
// processes, and the API as its users meet it.
package e2e

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/controller"
	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/worker"
	"bobine/configs"
	"bobine/queue"
)

// asWorker, asJoiner and asFarm make this test binary play the part of bobine's
// verbs `work -`, `work` and `up`.
const (
	asWorker = "BOBINE_TEST_AS_WORKER"
	asJoiner = "BOBINE_TEST_AS_JOINER"
	asFarm   = "BOBINE_TEST_AS_FARM" // the data folder

	profileEnv = "BOBINE_TEST_PROFILE" // of the farm in another process
	copiesEnv  = "BOBINE_TEST_COPIES"  // likewise: a place of second copies
	settledEnv = "BOBINE_TEST_SETTLED" // likewise: it has its settings from BOBINE_… variables
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asWorker) != "":
		os.Exit(play(runWorker))
	case os.Getenv(asJoiner) != "":
		os.Exit(play(runJoiner))
	case os.Getenv(asFarm) != "":
		os.Exit(play(runFarm))
	}
	os.Exit(m.Run())
}

func play(part func(context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := part(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runWorker(ctx context.Context) error {
	s, gone, err := settings.Read(os.Stdin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { <-gone; cancel() }()
	w, err := worker.New(s, quiet())
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

func runFarm(ctx context.Context) error {
	settled := config(os.Getenv(asFarm))
	if os.Getenv(settledEnv) != "" {
		var err error
		if settled, err = configs.Load("", os.Environ()); err != nil {
			return err
		}
	}
	c, err := controller.New(ctx, controller.Options{Config: settled, Version: "test", Log: quiet(), Work: work})
	if err != nil {
		return err
	}
	fmt.Println("up")
	return c.Run(ctx)
}

func work() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asWorker+"=1")
	cmd.Stderr = os.Stderr
	return cmd, nil
}

func quiet() *slog.Logger {
	level := slog.LevelWarn
	if os.Getenv("BOBINE_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// config is a farm on port 0 with the small test profile.
func config(data string) configs.Config {
	c := configs.Default()
	c.Data = data
	c.API.Listen = "127.0.0.1:0"
	c.Profile = cmp.Or(os.Getenv(profileEnv), "tiny")
	c.ProfilesDir = "testdata"
	c.Encode.Chunk = 4 * time.Second
	c.Fleet.Slots = 2
	c.Lease.Silence = 10 * time.Second
	c.Lease.Beat = time.Second
	if to := os.Getenv(copiesEnv); to != "" {
		c.Backup.Copies = []configs.Copy{{To: to}}
	}
	return c
}

// farm is a controller in this process, its workers in others.
type farm struct {
	*api.Client
	data string
	ctl  *controller.Controller // nil: in another process
	down func()
}

func start(t testing.TB, change ...func(*configs.Config)) *farm {
	t.Helper()
	return staff(t, work, change...)
}

// staff is start with workers of another kind.
func staff(t testing.TB, work func() (*exec.Cmd, error), change ...func(*configs.Config)) *farm {
	t.Helper()
	need(t, "ffmpeg", "ffprobe", "redis-server")
	c := config(t.TempDir())
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ctl, err := controller.New(ctx, controller.Options{Config: c, Version: "test", Log: quiet(), Work: work})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- ctl.Run(ctx) }()
	f := &farm{Client: ctl.Client(), data: c.Data, ctl: ctl}
	f.down = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the farm did not stop cleanly: %v", err)
		}
		f.down = func() {}
	}
	t.Cleanup(func() { f.down() })
	return f
}

// spawn is a farm in a process of its own, which can be killed.
func spawn(t testing.TB, data string, env ...string) (*farm, *exec.Cmd) {
	t.Helper()
	need(t, "ffmpeg", "ffprobe", "redis-server")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), asFarm+"="+data), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the farm did not come up: %v", err)
	}
	f := &farm{data: data}
	await(t, "the API", 10*time.Second, func(ctx context.Context) bool {
		f.Client, err = api.Discover(data)
		return err == nil && f.Ready(ctx) == nil
	})
	return f, cmd
}

func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
}

// film makes a clip with a moving picture and a tone.
func film(t testing.TB, seconds int, size string) string {
	t.Helper()
	need(t, "ffmpeg")
	path := filepath.Join(t.TempDir(), "film.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-y",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=25:duration=%d", size, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:duration=%d", seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a film: %v\n%s", err, out)
	}
	return path
}

// submit hands a file to the farm.
func (f *farm) submit(t testing.TB, path string) api.Job {
	t.Helper()
	j, err := f.Submit(t.Context(), api.Request{Source: path})
	if err != nil {
		t.Fatalf("submit %s: %v", path, err)
	}
	return j
}

// until follows a job until ok holds, and returns it as it was then.
func (f *farm) until(t testing.TB, id, what string, ok func(api.Job) bool) api.Job {
	t.Helper()
	var j api.Job
	await(t, what, 2*time.Minute, func(ctx context.Context) bool {
		got, err := f.Job(ctx, id, true)
		if err == nil {
			j = got
		}
		return err == nil && ok(j)
	})
	return j
}

func (f *farm) end(t testing.TB, id string) api.Job {
	t.Helper()
	return f.until(t, id, "the job's end", func(j api.Job) bool { return j.State.Ended() })
}

// done follows a job that must end well.
func (f *farm) done(t testing.TB, id string) api.Job {
	t.Helper()
	j := f.end(t, id)
	if j.State != queue.Done {
		t.Fatalf("job ended %s: %+v\nchecks %+v", j.State, j.Error, j.Checks)
	}
	return j
}

// await asks ten times a second until ok holds.
func await(t testing.TB, what string, limit time.Duration, ok func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", limit, what)
		}
	}
}

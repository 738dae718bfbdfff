package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/stores"
	"bobine/cmd/internal/worker"
	"bobine/configs"
	"bobine/provisioner"
	"bobine/queue"
	"bobine/storage/s3/s3d"
)

func runJoiner(ctx context.Context) error {
	c, err := configs.Load("", os.Environ())
	if err != nil {
		return err
	}
	s, err := settings.Join(c, "test")
	if err != nil {
		return err
	}
	var notices <-chan provisioner.Notice
	if c.Fleet.Provider == configs.EC2 {
		if notices, err = worker.Rented(ctx, &s, 200*time.Millisecond, quiet()); err != nil {
			return err
		}
	}
	w, err := worker.New(s, quiet())
	if err != nil {
		return err
	}
	w.Heed(notices)
	return w.Run(ctx)
}

// Three workers started by hand, which share nothing but Redis and an S3
// server, make a film of a bucket: each a part of it, of which each reads what
// it needs. One that is sent away hands back what it held.
func TestWorkersThatJoin(t *testing.T) {
	need(t, "ffmpeg", "ffprobe", "redis-server")
	environ(t, buckets(t, s3d.Options{}, "films", "inbox"))
	line := listen(t, os.Getenv("AWS_ENDPOINT_URL_S3"))
	t.Setenv("AWS_ENDPOINT_URL_S3", line.url)
	conn, password := redis(t)
	f := start(t, func(c *configs.Config) {
		c.Fleet.Max = 0
		c.Redis = configs.Redis{URL: conn.URL, PasswordFile: password}
		c.Storage.Outputs, c.Storage.S3.PathStyle = "s3://films/out", true
	})
	var all []joiner
	for range 3 {
		all = append(all, join(t, conn.URL, password))
	}
	sources := &stores.Sources{S3: configs.S3{PathStyle: true, Checksums: "when_supported"}}
	t.Cleanup(func() { sources.Close() })
	path := makeFile(t, filepath.Join(t.TempDir(), "film.mp4"), "-f", "lavfi", "-i", "testsrc2=size=480x270:rate=25:duration=20",
		"-f", "lavfi", "-i", "sine=duration=20", "-vf", "noise=alls=40:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "6M", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac")
	put(t, sources, "inbox", "film.mp4", path)

	line.count("/inbox/film.mp4")
	j := f.done(t, f.submit(t, "s3://inbox/film.mp4").ID)
	encoders, fetched, said := map[string]bool{}, int64(0), ""
	for _, x := range j.Tasks {
		if x.Kind == queue.KindVideo {
			encoders[x.Worker] = true
			if most := j.Source.Bytes * 3 / 10; x.Fetched > most { // it is a fifth of the film
				t.Errorf("chunk %d fetched %d of %d bytes", x.Chunk, x.Fetched, j.Source.Bytes)
			}
		}
		fetched += x.Fetched
		said += fmt.Sprintf(" %s %d", x.Kind, x.Fetched)
	}
	sent, ranges := line.counted()
	ratio := float64(sent) / float64(j.Source.Bytes)
	t.Logf("of %d bytes %.2f times as many were sent, in %d ranges; fetched:%s", j.Source.Bytes, ratio, ranges, said)
	if sent != fetched {
		t.Errorf("the tasks tell of %d bytes, the server sent %d", fetched, sent)
	}
	if len(encoders) != 3 {
		t.Errorf("%d workers encoded: %v", len(encoders), encoders)
	}
	if ratio < 1 || ratio > 1.2 {
		t.Errorf("the source was fetched %.2f times", ratio)
	}
	for o, err := range objects(t, "scratch") {
		t.Errorf("scratch was left: %s, %v", o.Ref, err)
	}

	links, err := f.Links(t.Context(), j.ID, time.Minute)
	if err != nil || len(links.Links) < 5 {
		t.Errorf("links %+v, %v", links, err)
	}
	for _, l := range links.Links { // by somebody without any key
		if res, err := http.Get(l.URL); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", l.What, res, err)
		} else {
			res.Body.Close()
		}
	}

	// The second film loses the worker that began with it.
	put(t, sources, "inbox", "second.mp4", film(t, 5, "320x180"))
	j = f.submit(t, "s3://inbox/second.mp4")
	gone := -1
	f.until(t, j.ID, "a worker at work", func(j api.Job) bool {
		gone = slices.IndexFunc(all, func(w joiner) bool {
			return slices.ContainsFunc(j.Tasks, func(x api.Task) bool { return x.State == queue.Running && w.has(x.Worker) })
		})
		return gone >= 0
	})
	all[gone].leave(t)
	if j = f.done(t, j.ID); j.Error != nil {
		t.Errorf("the film that lost a worker: %+v", j.Error)
	}
	for n := range all {
		if n != gone {
			all[n].leave(t)
		}
	}
}

// joiner is a worker that somebody started by hand.
type joiner struct {
	cmd  *exec.Cmd
	data string
}

// join starts a worker that has a folder and its surroundings alone.
func join(t *testing.T, redis, password string) joiner {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := joiner{exec.Command(self), t.TempDir()}
	w.cmd.Env = append(os.Environ(), asJoiner+"=1", "BOBINE_DATA="+w.data, "BOBINE_REDIS_URL="+redis, "BOBINE_REDIS_PASSWORD_FILE="+password,
		"BOBINE_STORAGE_OUTPUTS=s3://films/out", "BOBINE_STORAGE_S3_PATH_STYLE=true", "BOBINE_FLEET_SLOTS=1", "BOBINE_LEASE_BEAT=1s")
	w.cmd.Stderr = os.Stderr
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.cmd.ProcessState == nil {
			_ = w.cmd.Process.Kill()
			_ = w.cmd.Wait()
		}
	})
	return w
}

// has tells whether a worker of that name is this one.
func (w joiner) has(name string) bool {
	return strings.Contains(name, fmt.Sprintf("-%d-", w.cmd.Process.Pid))
}

// leave sends the worker away, which goes in good order and leaves nothing.
func (w joiner) leave(t *testing.T) {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("a worker that was sent away: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(w.data, "joined")); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

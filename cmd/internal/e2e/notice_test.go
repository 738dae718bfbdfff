package e2e

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/settings"
	"bobine/cmd/internal/worker"
	"bobine/configs"
	"bobine/provisioner"
	"bobine/queue"
)

// A worker whose machine is about to be taken away takes no more work, hands
// back what does not fit, and leaves in time; another makes the film. It costs
// no retry.
func TestNoticeOfInterruption(t *testing.T) {
	need(t, "ffmpeg", "ffprobe", "redis-server")
	conn, password := redis(t)
	store := t.TempDir()
	f := start(t, slow, func(c *configs.Config) {
		c.Fleet.Max = 0
		c.Redis = configs.Redis{URL: conn.URL, PasswordFile: password}
		c.Storage.Outputs = store
	})
	hire := func(notices <-chan provisioner.Notice) <-chan error {
		w, err := worker.New(settings.Worker{
			Redis: conn, Store: store, Scratch: t.TempDir(), Slots: 2, Beat: time.Second, Attempts: 3, Version: "test",
		}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		w.Heed(notices)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		gone := make(chan struct{})
		go func() { defer close(gone); ended <- w.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-gone })
		return ended
	}
	notices := make(chan provisioner.Notice)
	first := hire(notices)
	id := f.submit(t, film(t, 24, "640x360")).ID
	f.midway(t, id)
	at := time.Now().Add(21 * time.Second) // a second from now it is to hand back
	notices <- provisioner.Notice{Kind: provisioner.Interruption, At: at}
	var left *worker.LeftError
	if err := <-first; !errors.As(err, &left) || time.Now().After(at) {
		t.Errorf("it left with %v, %s before its end", err, time.Until(at))
	}
	handed := f.until(t, id, "the work to be handed back", func(j api.Job) bool { return running(j) == 0 })
	if !slices.ContainsFunc(handed.Tasks, func(x api.Task) bool { return x.Kind == queue.KindVideo && !x.State.Ended() }) {
		t.Errorf("nothing was handed back: %+v", handed.Tasks)
	}
	hire(nil)
	if j := f.done(t, id); again(j) > 0 {
		t.Errorf("%d attempts were made again, want none: what was handed back is no failure", again(j))
	}
}

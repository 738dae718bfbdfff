package inbox_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"bobine/cmd/internal/inbox"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/local"
)

// What is refused lies in its bucket for years: the log tells it once.
func TestARefusalIsToldOnce(t *testing.T) {
	in, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, in, "in/forbidden.mov")
	var log bytes.Buffer
	s := inbox.New(inbox.Options{
		Partners: func(context.Context) ([]queue.Partner, error) {
			return []queue.Partner{{Name: "arte", Inbox: []string{"s3://bucket/in/"}}}, nil
		},
		Bucket:  func(context.Context, string) (storage.Store, error) { return marked{in}, nil },
		Receive: (&desk{}).receive, Every: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 3 {
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "it is forbidden"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

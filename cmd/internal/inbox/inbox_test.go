package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/cmd/internal/inbox"
	"bobine/queue"
	"bobine/queue/ingest/sqs"
	"bobine/storage"
	"bobine/storage/local"
)

// desk notes what is received.
type desk struct {
	got  []string
	fail error
}

func (d *desk) receive(_ context.Context, ns []queue.Notice) ([]queue.Receipt, error) {
	if d.fail != nil {
		return nil, d.fail
	}
	out := make([]queue.Receipt, len(ns))
	for i, n := range ns {
		d.got = append(d.got, fmt.Sprintf("%s %s %s %d", n.Partner, n.Way, n.Source, n.Bytes))
		if n.ETag == "" {
			out[i].Refused = &queue.Fault{Code: "test", Message: "it has no mark"}
		}
		if strings.Contains(n.Source, "forbidden") {
			out[i].Refused = &queue.Fault{Code: "test", Message: "it is forbidden"}
		}
	}
	return out, nil
}

// sorted takes what was received so far.
func (d *desk) sorted() []string {
	out := d.got
	d.got = nil
	slices.Sort(out)
	return out
}

func put(t *testing.T, s storage.Store, refs ...string) {
	t.Helper()
	for _, r := range refs {
		if _, err := s.Put(t.Context(), storage.Ref(r), strings.NewReader("film"), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, name, text string, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(name, []byte(text), 0o600), os.Chtimes(name, at, at)); err != nil {
		t.Fatal(err)
	}
}

// marked gives listed objects an ETag, as a bucket does.
type marked struct{ storage.Store }

func (m marked) List(ctx context.Context, prefix storage.Ref) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for o, err := range m.Store.List(ctx, prefix) {
			o.ETag = `"` + o.SHA256 + `x"`
			if !yield(o, err) {
				return
			}
		}
	}
}

// A sweep finds what lies in the partners' inboxes and nothing beside; one
// bucket that is away keeps nothing from the others.
func TestSweep(t *testing.T) {
	in, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, in, "arte/in/a.mov", "arte/in/deep/b c.mov", "arte/in/.hidden.mov", "arte/in/c.mov.part", "arte/out/d.mov", "arte/in2/e.mov")
	folder, drop := t.TempDir(), t.TempDir()
	d := &desk{}
	s := inbox.New(inbox.Options{
		Partners: func(context.Context) ([]queue.Partner, error) {
			return []queue.Partner{
				{Name: "gone", Inbox: []string{"s3://nowhere/in/"}},
				{Name: "arte", Inbox: []string{"s3://bucket/arte/in/"}},
				{Name: "nas", Inbox: []string{"file://" + folder + "/"}},
			}, nil
		},
		Bucket: func(_ context.Context, name string) (storage.Store, error) {
			if name != "bucket" {
				return nil, errors.New("no such bucket")
			}
			return marked{in}, nil
		},
		Receive: d.receive, Drop: drop, Every: time.Hour, Log: slog.New(slog.DiscardHandler),
	})
	then := time.Now().Add(-time.Hour)
	write(t, filepath.Join(folder, "f.mov"), "film", then)
	write(t, filepath.Join(folder, "empty.mov"), "", then)
	write(t, filepath.Join(drop, "nas", "sub", "g.mov"), "film", then)
	write(t, filepath.Join(drop, "nobody", "h.mov"), "film", then)
	if err := os.Symlink("/etc/hostname", filepath.Join(drop, "nas", "link.mov")); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context()); err == nil || !strings.Contains(err.Error(), "s3://nowhere/in/ of gone: no such bucket") {
		t.Errorf("the sweep says %v", err)
	}
	want := []string{"arte sweep s3://bucket/arte/in/a.mov 4", "arte sweep s3://bucket/arte/in/deep/b%20c.mov 4"}
	if got := d.sorted(); !slices.Equal(got, want) {
		t.Errorf("first\n got %q\nwant %q", got, want)
	}
	// Files are taken when they stood still between two looks.
	write(t, filepath.Join(folder, "f.mov"), "film, longer", then.Add(time.Minute))
	_ = s.Sweep(t.Context())
	want2 := append(slices.Clone(want), "nas upload file://"+drop+"/nas/sub/g.mov 4")
	if got := d.sorted(); !slices.Equal(got, want2) {
		t.Errorf("second\n got %q\nwant %q", got, want2)
	}
	_ = s.Sweep(t.Context())
	want3 := append(slices.Clone(want2), "nas sweep file://"+folder+"/f.mov 12")
	slices.Sort(want3)
	if got := d.sorted(); !slices.Equal(got, want3) {
		t.Errorf("third\n got %q\nwant %q", got, want3)
	}
	d.fail = errors.New("redis is away")
	if err := s.Sweep(t.Context()); !errors.Is(err, d.fail) {
		t.Errorf("while redis is away the sweep says %v", err)
	}
}

// A message makes notices of the inbox's owner; what is in nobody's inbox is
// left; what cannot be read is set aside; an outage is told as one.
func TestQueue(t *testing.T) {
	store, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{}
	q := inbox.Queue{
		Partners: func(context.Context) ([]queue.Partner, error) {
			return []queue.Partner{{Name: "arte", Inbox: []string{"s3://bucket/arte/"}}}, nil
		},
		Receive: d.receive, Store: store,
	}
	event := func(key string) string {
		return `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"bucket"},"object":{"key":"` + key + `","size":4,"eTag":"abc","sequencer":"00A1"}}}]}`
	}
	for _, c := range []struct {
		body   string
		got    []string
		poison bool
	}{
		{event("arte/a+b.mov"), []string{"arte sqs s3://bucket/arte/a%20b.mov 4"}, false},
		{event("outputs/arte/v.mp4"), nil, false},
		{`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-03-14T12:00:00.000Z","Bucket":"bucket"}`, nil, false},
		{`{"hello":`, nil, true},
		{event("arte/forbidden.mov"), []string{"arte sqs s3://bucket/arte/forbidden.mov 4"}, true},
	} {
		err := q.Handle(t.Context(), sqs.Message{ID: "m1", Body: c.body})
		if errors.Is(err, sqs.ErrPoison) != c.poison || err != nil && !c.poison {
			t.Errorf("%s: %v", c.body, err)
		}
		if got := d.sorted(); !slices.Equal(got, c.got) {
			t.Errorf("%s: received %q, want %q", c.body, got, c.got)
		}
	}
	d.fail = errors.New("redis is away")
	if err := q.Handle(t.Context(), sqs.Message{ID: "m1", Body: event("arte/a.mov")}); err == nil || errors.Is(err, sqs.ErrPoison) {
		t.Errorf("while redis is away: %v", err)
	}
	if err := q.Aside(t.Context(), sqs.Message{ID: "m1", Body: "{"}, sqs.ErrPoison); err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(t.Context(), "aside/sqs/m1.json", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var kept bytes.Buffer
	if _, err := kept.ReadFrom(r); err != nil || !strings.Contains(kept.String(), `"body": "{"`) {
		t.Errorf("kept is %s, %v", kept.String(), err)
	}
}

// The nearest inbox owns a source.
func TestOwner(t *testing.T) {
	ps := []queue.Partner{
		{Name: "all", Inbox: []string{"s3://bucket/"}}, {Name: "arte", Inbox: []string{"s3://bucket/arte/"}}, {Name: "art", Inbox: []string{"s3://bucket/art/"}},
	}
	for source, want := range map[string]string{
		"s3://bucket/arte/a.mov": "arte", "s3://bucket/art/a.mov": "art", "s3://bucket/b.mov": "all", "s3://other/b.mov": "",
	} {
		if got, ok := inbox.Owner(ps, source); got != want || ok != (want != "") {
			t.Errorf("%s is %q's, want %q", source, got, want)
		}
	}
}

package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bobine/cmd/internal/settings"
	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/local"
)

// bucket is a store whose objects are no files of this machine.
type bucket struct {
	storage.Store
	mu   sync.Mutex
	sent int64 // bytes of sources
	fail error // of the next reads
}

func (b *bucket) Open(ctx context.Context, r storage.Ref, off, n int64) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.HasPrefix(string(r), "sources/") {
		if b.fail != nil {
			return nil, b.fail
		}
		b.sent += n
	}
	return b.Store.Open(ctx, r, off, n)
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	s, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &bucket{Store: s}
}

// alone is a worker with scratch of its own that needs no ledger.
func alone(t *testing.T, s storage.Store) *Worker {
	t.Helper()
	e, err := ffmpeg.Find()
	if err != nil {
		t.Skip(err)
	}
	if err := ffmpeg.Partly(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	w := &Worker{
		Worker: settings.Worker{}, log: slog.New(slog.DiscardHandler), store: s, encoder: e.In(dir), scratch: dir,
		sources: newSources(dir), web: newClient([]string{"127.0.0.1"}), siblings: &finished{},
	}
	t.Cleanup(w.web.CloseIdleConnections)
	return w
}

// finished are tasks of one job as a ledger would tell of them.
type finished struct {
	tasks    []queue.Task
	outcomes map[string]queue.Outcome
}

func (f *finished) begin(j queue.Job, k queue.Kind, chunk int) queue.Task {
	return queue.Task{ID: queue.TaskID(j.ID, k, chunk), Job: j.ID, Kind: k, Chunk: chunk, Attempt: 1}
}

func (f *finished) end(t queue.Task, o queue.Outcome) {
	t.State = queue.Finished
	f.tasks = append(f.tasks, t)
	if f.outcomes == nil {
		f.outcomes = map[string]queue.Outcome{}
	}
	f.outcomes[t.ID] = o
}

func (f *finished) Task(_ context.Context, id string) (queue.Task, error) {
	for _, t := range f.tasks {
		if t.ID == id {
			return t, nil
		}
	}
	return queue.Task{}, queue.ErrNotExist
}

func (f *finished) Tasks(context.Context, string) ([]queue.Task, error) { return f.tasks, nil }

func (f *finished) Outcomes(context.Context, string) (map[string]queue.Outcome, error) {
	return f.outcomes, nil
}

// film makes a source of 12 s with an index.
func film(t *testing.T, name, more string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := "-nostdin -v error -f lavfi -i testsrc2=s=320x180:r=25:d=12 -f lavfi -i sine=d=12 -vf noise=alls=40:allf=t -c:v libx264 -preset ultrafast -b:v 3M -g 25 -pix_fmt yuv420p -c:a aac " + more
	if out, err := exec.Command("ffmpeg", append(strings.Fields(args), path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain is a job that costs next to nothing, cut in three.
func plain(t *testing.T, src encoder.Source) *encoder.Ladder {
	t.Helper()
	l, err := encoder.Fit(encoder.Profile{
		Name: "plain", Segment: 2 * time.Second, GOP: time.Second,
		Video: []encoder.VideoProfile{{Codec: "h264", Preset: "ultrafast", MaxFPS: 30, Rungs: []encoder.Rung{{Name: "72p", Width: 128, Height: 72, CRF: 30, Bitrate: 200_000}}}},
		Audio: encoder.AudioProfile{Codec: "aac", Channels: 2, Bitrate: 64_000, SampleRate: 48_000},
	}, src, 4*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Chunks) != 3 {
		t.Fatalf("%d chunks", len(l.Chunks))
	}
	return &l
}

// A film in a bucket is encoded by three workers, none of which fetches a
// part of it twice, or a chunk's part that is not its own.
func TestThreeWorkers(t *testing.T) {
	for _, c := range []struct{ name, more string }{{"first.mp4", "-movflags +faststart"}, {"film.mkv", ""}} {
		t.Run(c.name, func(t *testing.T) {
			body := film(t, c.name, c.more)
			size := int64(len(body))
			s := newBucket(t)
			j := queue.Job{ID: "j1", Partner: "p", Origin: queue.Origin{URL: "https://example.com/" + c.name, Name: c.name}}
			if _, err := s.Put(t.Context(), kept(j), bytes.NewReader(body), storage.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			known := &finished{}
			first := alone(t, s)
			first.siblings = known
			o, err := first.probe(t.Context(), j, known.begin(j, queue.KindProbe, 0))
			if err != nil {
				t.Fatal(err)
			}
			j.Source, j.Ladder = o.Source, plain(t, *o.Source)
			told, said := o.Fetched, []string{fmt.Sprintf("probe %d", o.Fetched)}
			known.end(known.begin(j, queue.KindProbe, 0), o)
			do := func(w *Worker, kind queue.Kind, chunk int) int64 {
				w.siblings = known
				x := known.begin(j, kind, chunk)
				o, err := w.encode(t.Context(), j, x)
				if err != nil {
					t.Fatal(err)
				}
				known.end(x, o)
				told, said = told+o.Fetched, append(said, fmt.Sprintf("%s %d", kind, o.Fetched))
				return o.Fetched
			}
			for chunk := range 3 { // each by a worker that knows nothing, and is 4 s of 12
				if n := do(alone(t, s), queue.KindVideo, chunk); n > size*7/10 {
					t.Errorf("chunk %d fetched %d of %d bytes", chunk, n, size)
				}
			}
			n := do(alone(t, s), queue.KindAudio, 0)
			if ratio := float64(told) / float64(size); o.Source.Unread && ratio > 1.2 || !o.Source.Unread && n == 0 {
				t.Errorf("the source was fetched %.2f times", ratio)
			}
			if o.Source.Unread == strings.HasSuffix(c.name, ".mkv") {
				t.Errorf("unread: %t", o.Source.Unread)
			}
			if again := do(first, queue.KindAudio, 0) + do(first, queue.KindVideo, 1); again > size-o.Fetched {
				t.Errorf("who has read the source fetched %d bytes again", again)
			}
			if told != s.sent {
				t.Errorf("tasks tell of %d bytes, the bucket of %d", told, s.sent)
			}
			t.Logf("of %d bytes: %s", size, strings.Join(said, ", "))
		})
	}
}

// server is one on the web, which may change its mind.
type server struct {
	mu    sync.Mutex
	body  []byte
	tag   string
	whole bool // knows no ranges
	sent  int64
	fails int // requests to refuse
}

// told is what was sent so far; it waits for the answer that is on its way.
func (s *server) told() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails > 0 {
		s.fails--
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	if s.whole {
		r.Header.Del("Range")
	} else {
		w.Header().Set("ETag", s.tag)
	}
	counted := &counter{ResponseWriter: w}
	http.ServeContent(counted, r, "", time.Time{}, bytes.NewReader(s.body))
	s.sent += counted.n
}

type counter struct {
	http.ResponseWriter
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += int64(n)
	return n, err
}

// A source on the web is read in parts where its server gives them, unchanged
// from the probe to the last chunk, and else once as a whole.
func TestWeb(t *testing.T) {
	body := film(t, "film.mp4", "")
	size := int64(len(body))
	at := &server{body: body, tag: `"one"`}
	web := httptest.NewServer(at)
	defer web.Close()
	j := queue.Job{ID: "j1", Partner: "p", Origin: queue.Origin{URL: web.URL + "/film.mp4?signature=hunter2", Name: "film.mp4"}}
	s := newBucket(t)
	known := &finished{}
	probe := known.begin(j, queue.KindProbe, 0)
	o, err := alone(t, s).probe(t.Context(), j, probe)
	if err != nil || o.Source.Mark != `"one"` || o.Fetched == 0 {
		t.Fatalf("got %+v, %v", o, err)
	}
	known.end(probe, o)
	joined := func() *Worker {
		w := alone(t, s)
		w.siblings = known
		return w
	}
	if _, err := s.Stat(t.Context(), kept(j)); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("the whole source was kept: %v", err)
	}
	j.Source, j.Ladder = o.Source, plain(t, *o.Source)
	task := queue.Task{ID: "j1-v1", Job: j.ID, Kind: queue.KindVideo, Chunk: 1, Attempt: 1}
	at.mu.Lock()
	at.fails, at.sent = 0, 0
	at.mu.Unlock()
	if o, err = joined().encode(t.Context(), j, task); err != nil || o.Fetched > size*6/10 || at.told() != o.Fetched+1 {
		t.Errorf("the chunk fetched %d of %d bytes, the server sent %d (%v)", o.Fetched, size, at.told(), err)
	}
	late := joined()
	in, err := late.input(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	in.release()
	at.mu.Lock()
	at.tag = `"two"`
	at.mu.Unlock()
	for name, w := range map[string]*Worker{"before it is opened": joined(), "while it is read": late} {
		_, err := w.encode(t.Context(), j, task)
		if f := faultOf(err); !errors.Is(err, errChanged) || f.Code != queue.CodeSource || strings.Contains(f.Message, "hunter2") {
			t.Errorf("changed %s: got %v", name, err)
		}
	}
	at.mu.Lock()
	at.whole, at.sent = true, 0
	at.mu.Unlock()
	j.ID, j.Source = "j2", nil
	if o, err = alone(t, s).probe(t.Context(), j, new(finished).begin(j, queue.KindProbe, 0)); err != nil || o.Source.Mark != "" || at.told() > 2*size {
		t.Errorf("without ranges: got %+v, %v, %d bytes were sent of %d", o, err, at.told(), size)
	}
	if o, err := s.Stat(t.Context(), kept(j)); err != nil || o.Bytes != size {
		t.Errorf("without ranges it was not kept: %+v, %v", o, err)
	}
}

// A store that fails fails the task, as a source that cannot be read, and not
// as a short or damaged film.
func TestStoreFails(t *testing.T) {
	body := film(t, "film.ts", "")
	s := newBucket(t)
	j := queue.Job{ID: "j1", Partner: "p", Origin: queue.Origin{URL: "https://example.com/film.ts", Name: "film.ts"}}
	if _, err := s.Put(t.Context(), kept(j), bytes.NewReader(body), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w := alone(t, s)
	in, err := w.input(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	in.release()
	s.fail = storage.ErrNotExist // what no patience mends
	_, err = w.probe(t.Context(), j, new(finished).begin(j, queue.KindProbe, 0))
	if f := faultOf(err); f.Code != queue.CodeSource || !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("got %v: %v", f, err)
	}
	s.fail = nil
	if _, err := w.probe(t.Context(), j, new(finished).begin(j, queue.KindProbe, 0)); err != nil {
		t.Errorf("another try: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.scratch, "source-*")); len(left) != 1 {
		t.Errorf("kept %v", left)
	}
	w.sources.clear()
	if left, _ := filepath.Glob(filepath.Join(w.scratch, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"bobine/cmd/internal/api"
	"bobine/encoder"
	"bobine/queue"
	"bobine/storage/local"
)

// farm is a farm whose job moves to its next state at every look.
type farm struct {
	mu      sync.Mutex
	job     queue.Job
	then    []queue.State // what the next looks find
	look    func()        // called at every look
	request api.Request
	err     error
}

func (f *farm) Submit(_ context.Context, r api.Request) (queue.Job, error) {
	f.request = r
	return f.job, f.err
}

func (f *farm) Job(context.Context, string) (queue.Job, []queue.Task, []queue.Beat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.look != nil {
		f.look()
	}
	if len(f.then) > 0 {
		f.job.State, f.then = f.then[0], f.then[1:]
	}
	return f.job, []queue.Task{{ID: "t", Kind: queue.KindVideo, State: queue.Broken, Fault: &queue.Fault{Message: strings.Repeat("long ", 40)}}}, nil, f.err
}

func (f *farm) Jobs(context.Context, api.Filter) ([]queue.Job, []queue.Beat, error) {
	return []queue.Job{f.job}, nil, f.err
}
func (f *farm) Cancel(context.Context, string) (queue.Job, error) { return f.job, f.err }
func (f *farm) Retry(context.Context, string) (queue.Job, error)  { return f.job, f.err }
func (f *farm) Ready(context.Context) error                       { return nil }
func (f *farm) Profiles() []string                                { return []string{"web"} }

// wideJob has long words everywhere, and a title that would ring a bell.
func wideJob(s queue.State) queue.Job {
	now := time.Now()
	j := queue.Job{
		ID: queue.NewID(now), Partner: "a-partner-with-a-very-long-name", Title: "Bell\a and\x1b[31m colour, " + strings.Repeat("長い", 60),
		Profile: "web", State: s, Created: now, Deadline: now.Add(24 * time.Hour),
		Source: &encoder.Source{Duration: 7200, Bytes: 5e10, Video: &encoder.Video{Codec: "h264", Width: 3840, Height: 2160, FPS: 23.976}},
		Checks: []encoder.Check{{Name: "frames", OK: true, Detail: strings.Repeat("720p has 1 frames ", 20)}},
	}
	for _, name := range []string{"1080p", "a-rung-with-a-long-name"} {
		j.Renditions = append(j.Renditions, queue.Made{Name: name, Codec: "h264", Width: 1920, Height: 1080, FPS: 23.976, Bandwidth: 123456789, AverageBandwidth: 98765432, Bytes: 123456789012})
	}
	if s == queue.Done {
		j.Ended = now.Add(time.Minute)
		j.Outputs = &queue.Outputs{Root: "outputs/p/j", Master: "outputs/p/j/master.m3u8", Manifest: "outputs/p/j/manifest.mpd"}
	}
	if s == queue.Rejected || s == queue.Failed {
		j.Error = &queue.Fault{Code: "bad-input", Message: "the moov box\nis missing", Hint: "send the whole file"}
	}
	return j
}

// call runs bobine against a farm, as main does.
func call(t *testing.T, f *farm, ctx context.Context, args ...string) (code int, out, errs string) {
	t.Helper()
	data := t.TempDir()
	store, err := local.Open(filepath.Join(data, "store"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(api.NewHandler(api.Options{Farm: f, Outputs: store, Base: "http://127.0.0.1", Token: "t"}))
	defer s.Close()
	if err := api.WriteDiscovery(data, api.Discovery{URL: s.URL, Token: "t"}); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	code = run(ctx, append([]string{"--data", data}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func film(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("film"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheEndOfAJobIsTheExitCode(t *testing.T) {
	for _, c := range []struct {
		end  queue.State
		code int
		says string
	}{
		{queue.Done, 0, ""},
		{queue.Failed, 1, " failed: the moov box; is missing; send the whole file\n"},
		{queue.Rejected, 3, " was rejected: the moov box; is missing; send the whole file\n"},
		{queue.Cancelled, 1, " was cancelled\n"},
	} {
		f := &farm{job: wideJob(c.end), then: []queue.State{queue.Probing, queue.Encoding, queue.Encoding, c.end}}
		code, out, errs := call(t, f, t.Context(), "submit", film(t, "a.mp4"), "--wait", "--json")
		var j api.Job
		if err := json.Unmarshal([]byte(out), &j); err != nil || j.State != c.end {
			t.Errorf("%s: printed %v, %s", c.end, err, out)
		}
		if code != c.code || !strings.HasSuffix(errs, c.says) {
			t.Errorf("%s: exit %d with %q, want %d with %q", c.end, code, errs, c.code, c.says)
		}
		if n := strings.Count(errs, "encoding"); n != 1 {
			t.Errorf("%s: the encoding stage is told %d times:\n%s", c.end, n, errs)
		}
	}
}

func TestRefusalsAtTheDoor(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{&api.RefusedError{Code: queue.CodeBadInput, Message: "it is empty"}, 3, "bobine: it is empty\n"},
		{&api.RefusedError{Code: "no-such-file", Message: "not there"}, 2, "bobine: not there\n"},
		{api.ErrUnavailable, 4, "bobine: the farm cannot take this now\n"},
		{queue.ErrTransition, 1, "bobine: not possible in this state\n"},
	} {
		code, out, errs := call(t, &farm{err: c.err}, t.Context(), "submit", film(t, "a.mp4"))
		if code != c.code || errs != c.says || out != "" {
			t.Errorf("%v: exit %d, %q, %q; want %d, %q", c.err, code, out, errs, c.code, c.says)
		}
	}
	code, _, errs := call(t, &farm{}, t.Context(), "submit", film(t, "a.mp4"), "--partner", "No", "--profile", "imax")
	if code != 2 || !strings.Contains(errs, "partner: ") || strings.Count(errs, "\n") != 1 {
		t.Errorf("bad fields: exit %d, %q", code, errs)
	}
}

func TestAnyFileNameReachesTheFarm(t *testing.T) {
	for _, name := range []string{"plain.mp4", "with space.mp4", `it's "quoted".mp4`, "what?.mp4", "100%25.mp4", "new\nline.mp4", "-dash.mp4", "#hash;&.mp4", "latin\xe9.mp4", "http:odd.mp4"} {
		f := &farm{job: wideJob(queue.Received)}
		path := film(t, name)
		if code, _, errs := call(t, f, t.Context(), "submit", "--", path); code != 0 {
			t.Errorf("%q: exit %d, %s", name, code, errs)
			continue
		}
		u, err := api.ParseSource(f.request.Source)
		if err != nil || u.Path != path {
			t.Errorf("%q arrived as %q (%v)", path, f.request.Source, err)
		}
	}
}

func TestInterruptedWaitLeavesTheJob(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	f := &farm{job: wideJob(queue.Encoding), look: interrupt}
	code, out, errs := call(t, f, ctx, "submit", film(t, "a.mp4"), "--wait", "--json")
	if code != 130 || out != "" || !strings.Contains(errs, "the farm goes on with job "+f.job.ID) || !strings.Contains(errs, "bobine job watch "+f.job.ID) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

// Terminals are 80 columns wide, and what partners write must not steer them.
func TestTablesFitAndAreHarmless(t *testing.T) {
	for _, args := range [][]string{{"job", "list"}, {"job", "show", "x", "--tasks"}, {"job", "cancel", "x"}} {
		for _, s := range []queue.State{queue.Encoding, queue.Done, queue.Failed} {
			code, out, errs := call(t, &farm{job: wideJob(s)}, t.Context(), args...)
			if code != 0 || errs != "" || out == "" {
				t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
			}
			for line := range strings.Lines(out) {
				text := strings.TrimSuffix(line, "\n")
				if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
					t.Errorf("%v prints control characters: %q", args, text)
				}
				prose := !strings.Contains(text, "  ") // not a table
				if n := utf8.RuneCountInString(text); n > columns && !prose {
					t.Errorf("%v prints %d columns: %q", args, n, text)
				}
			}
		}
	}
}

func TestJSONOfAList(t *testing.T) {
	_, out, _ := call(t, &farm{job: wideJob(queue.Done)}, t.Context(), "job", "list", "--json")
	var l api.List
	if err := json.Unmarshal([]byte(out), &l); err != nil || len(l.Jobs) != 1 {
		t.Errorf("%v in %s", err, out)
	}
}

func TestLiveMeter(t *testing.T) {
	now := time.Now()
	eta := now.Add(35 * time.Second)
	var b bytes.Buffer
	m := &meter{w: &b, live: true}
	m.show(api.Job{State: queue.Probing, Stage: "looking at the source"}, now)
	m.show(api.Job{State: queue.Encoding, Stage: "encoding 3 of 12 chunks", StageProgress: 0.42, ETA: &eta}, now)
	m.show(api.Job{State: queue.Encoding, Stage: strings.Repeat("long ", 40), StageProgress: 2}, now)
	m.show(api.Job{State: queue.Done}, now.Add(time.Minute))
	m.leave()
	for _, want := range []string{
		"\r\x1b[K  probing    ████████████████████ 100%  0.0 s\n",
		"\r\x1b[K  encoding   ████████░░░░░░░░░░░░  42%  ETA 0:35  encoding 3 of 12 chunks",
		"\r\x1b[K  encoding   ████████████████████ 100%  1:00\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in %q", want, b.String())
		}
	}
	for draw := range strings.SplitSeq(strings.ReplaceAll(b.String(), "\n", "\r"), "\r") {
		if n := utf8.RuneCountInString(strings.TrimPrefix(draw, "\x1b[K")); n >= columns {
			t.Errorf("a line of %d columns wraps: %q", n, draw)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 1400 * time.Millisecond: "1.4 s", 65 * time.Second: "1:05",
		3723 * time.Second: "1:02:03", -90 * time.Second: "-1:30", 24 * time.Hour: "24:00:00",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

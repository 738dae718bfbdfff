package storagetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"bobine/storage"
	"bobine/storage/lossy"
)

// Reach is one empty store, reached in two ways.
type Reach struct {
	Store  storage.Store // by the line
	Direct storage.Store // past it
	Line   *lossy.Line
}

// RunFaults holds a store that is reached by HTTP to its contract while the
// line to it fails: nothing half-written is ever seen, and nothing that was
// said to be stored is missing. Store must try again soon and a few times.
func RunFaults(t *testing.T, open func(t *testing.T) Reach) {
	for _, c := range []struct {
		intent string
		test   func(*testing.T, Reach)
	}{
		{"a fault that passes stops no Put", passingFault},
		{"a fault that stays leaves nothing and tells nothing false", lastingFault},
		{"a reader gets all bytes over a line that is cut, or an error", cutReader},
		{"List tells all or an error", cutList},
		{"Stat does not take a fault for an absence", faultyStat},
		{"Delete is done though its answer is lost", lostDelete},
	} {
		t.Run(c.intent, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func answer(status int, code string) string {
	body := "<Error><Code>" + code + "</Code><Message>so we were told</Message></Error>"
	return fmt.Sprintf("HTTP/1.1 %d Told\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// everyFault is what can befall a request.
var everyFault = map[string]lossy.Fault{
	"cut in the body":   {Kind: lossy.CutRequest, After: 100_000},
	"reset in the body": {Kind: lossy.CutRequest, After: 100_000, Reset: true},
	"cut at once":       {Kind: lossy.CutRequest},
	"cut in the answer": {Kind: lossy.CutAnswer, After: 20},
	"answer lost":       {Kind: lossy.LoseAnswer},
	"500":               {Kind: lossy.Refuse, Text: answer(500, "InternalError")},
	"503":               {Kind: lossy.Refuse, Text: answer(503, "SlowDown")},
	"silence":           {Kind: lossy.Silence},
	"slow":              {Kind: lossy.Slow},
}

// small is sent by one request. Large takes several: to begin, two parts (PUT),
// to end.
var (
	small = strings.Repeat("small ", 30_000)
	big   = strings.Repeat("a large body ", 700_000)
)

func passingFault(t *testing.T, r Reach) {
	n := 0
	for name, f := range everyFault {
		for _, c := range []struct {
			body, on string
			skip     int
		}{{small, "PUT ", 0}, {big, "PUT ", 1}, {big, "POST ", 0}, {big, "POST ", 1}} {
			if c.body == big && !slices.Contains([]string{"cut in the body", "answer lost", "503"}, name) {
				continue // the small one tells it
			}
			what := fmt.Sprintf("%s, %s%d of %d bytes", name, c.on, c.skip, len(c.body))
			ref := storage.Join("new", fmt.Sprint(n))
			n++
			f.On, f.Skip = c.on, c.skip
			r.Line.Break(f)
			// A body that cannot be read twice, so that no try hides behind another.
			o, err := r.Store.Put(t.Context(), ref, io.MultiReader(strings.NewReader(c.body)), storage.PutOptions{IfAbsent: true})
			if err != nil || o.Bytes != int64(len(c.body)) || o.SHA256 != digest(c.body) {
				t.Errorf("%s: put %+v, %v", what, o, err)
			}
			if struck := r.Line.Heal(); struck != 1 && f.Kind != lossy.Slow {
				t.Errorf("%s: %d requests were struck, want 1", what, struck)
			}
			wantBody(t, r.Direct, ref, c.body)
			if _, err := r.Store.Put(t.Context(), ref, strings.NewReader("x"), storage.PutOptions{IfAbsent: true}); !errors.Is(err, storage.ErrExist) {
				t.Errorf("%s: created again: %v, want ErrExist", what, err)
			}
		}
	}
}

func lastingFault(t *testing.T, r Reach) {
	put(t, r.Direct, "old", "the old body")
	for name, f := range everyFault {
		if f.Kind == lossy.Slow || f.Kind == lossy.Silence {
			continue
		}
		for _, body := range []string{small, big} {
			for _, ref := range []storage.Ref{"new", "old"} {
				stop := watch(t, r.Direct, ref, body, map[storage.Ref]string{"old": "the old body"}[ref])
				f.On, f.Times = "PUT ", -1
				r.Line.Break(f)
				_, err := r.Store.Put(t.Context(), ref, strings.NewReader(body), storage.PutOptions{})
				if r.Line.Heal() == 0 {
					t.Errorf("%s: no request was struck", name)
				}
				stop()
				got, gerr := read(t.Context(), r.Direct, ref)
				switch {
				case err == nil && got != body:
					t.Errorf("%s: said to be stored: %.20q, %v", name, got, gerr)
				case err != nil && ref == "new" && !errors.Is(gerr, storage.ErrNotExist) && got != body,
					err != nil && ref == "old" && got != "the old body" && got != body:
					t.Errorf("%s: put failed (%v) and left %.20q, %v", name, err, got, gerr)
				}
				if err := r.Direct.Delete(t.Context(), "new"); err != nil {
					t.Fatal(err)
				}
				put(t, r.Direct, "old", "the old body")
			}
		}
	}
}

// watch holds until stop that nobody sees anything but whole bodies of ref.
func watch(t *testing.T, s storage.Store, ref storage.Ref, whole ...string) (stop func()) {
	sizes := map[int64]bool{}
	for _, w := range whole {
		sizes[int64(len(w))] = true
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if o, err := s.Stat(t.Context(), ref); err == nil && !sizes[o.Bytes] {
				t.Errorf("stat saw %d bytes of %s", o.Bytes, ref)
			}
			for o, err := range s.List(t.Context(), "") {
				if err == nil && o.Ref == ref && !sizes[o.Bytes] {
					t.Errorf("list saw %d bytes of %s", o.Bytes, ref)
				}
			}
			if got, err := read(t.Context(), s, ref); err == nil && !sizes[int64(len(got))] {
				t.Errorf("a reader saw %d bytes of %s", len(got), ref)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

func cutReader(t *testing.T, r Reach) {
	put(t, r.Direct, "film", big)
	for name, f := range map[string]lossy.Fault{
		"cut":   {Kind: lossy.CutAnswer, After: 2 << 20, Times: 3},
		"reset": {Kind: lossy.CutAnswer, After: 1 << 20, Times: 3, Reset: true},
	} {
		for _, off := range []int64{0, 12_345} {
			f.On = "GET "
			r.Line.Break(f)
			body, err := r.Store.Open(t.Context(), "film", off, -1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			body.Close()
			if struck := r.Line.Heal(); err != nil || string(got) != big[off:] || struck != 3 {
				t.Errorf("%s %d times, from %d: read %d bytes, %v", name, struck, off, len(got), err)
			}
		}
	}
	r.Line.Break(lossy.Fault{Kind: lossy.CutAnswer, On: "GET ", After: 1 << 20})
	r.Line.Break(lossy.Fault{Kind: lossy.Refuse, On: "GET ", Text: answer(500, "InternalError"), Times: -1})
	got, err := read(t.Context(), r.Store, "film")
	if err == nil || !strings.HasPrefix(big, got) {
		t.Errorf("cut for good: %d bytes, %v", len(got), err)
	}
	r.Line.Heal()

	// What took the object's place is not glued to what was read before.
	r.Line.Break(lossy.Fault{Kind: lossy.CutAnswer, On: "GET ", After: 1 << 20})
	body, err := r.Store.Open(t.Context(), "film", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	put(t, r.Direct, "film", strings.Repeat("another body ", 700_000))
	if n, err := io.Copy(io.Discard, body); err == nil {
		t.Errorf("read %d bytes of two objects as one", n)
	}
	body.Close()
	r.Line.Heal()
}

func cutList(t *testing.T, r Reach) {
	for i := range 50 {
		put(t, r.Direct, storage.Join("film", fmt.Sprint(100+i)), "x")
	}
	for name, f := range everyFault {
		f.On = "GET "
		f.After = min(f.After, 3000)
		r.Line.Break(f)
		n := 0
		for _, err := range r.Store.List(t.Context(), "film") {
			if n++; err != nil {
				n = 50 // told
			}
		}
		if n != 50 {
			t.Errorf("%s: List told %d of 50 objects and no error", name, n)
		}
		r.Line.Heal()
	}
}

func faultyStat(t *testing.T, r Reach) {
	put(t, r.Direct, "film", "x")
	for name, f := range everyFault {
		f.On = "HEAD "
		r.Line.Break(f)
		if o, err := r.Store.Stat(t.Context(), "film"); err != nil || o.Bytes != 1 {
			t.Errorf("%s, once: %+v, %v", name, o, err)
		}
		if f.Kind == lossy.Slow || f.Kind == lossy.CutRequest && f.After > 0 {
			continue // a request without a body passes
		}
		f.Times = -1
		r.Line.Heal()
		r.Line.Break(f)
		if _, err := r.Store.Stat(t.Context(), "film"); err == nil || errors.Is(err, storage.ErrNotExist) {
			t.Errorf("%s, for good: %v, want a fault", name, err)
		}
		r.Line.Heal()
	}
}

func lostDelete(t *testing.T, r Reach) {
	for _, refs := range [][]storage.Ref{{"a"}, {"a", "b/c"}} {
		for _, ref := range refs {
			put(t, r.Direct, ref, "x")
		}
		r.Line.Break(lossy.Fault{Kind: lossy.LoseAnswer})
		if err := r.Store.Delete(t.Context(), refs...); err != nil || r.Line.Heal() != 1 {
			t.Errorf("delete %q: %v", refs, err)
		}
		for _, ref := range refs {
			wantAbsent(t, r.Direct, ref)
		}
	}
}

// cutBody is for every store: what is put comes over a line itself.
func cutBody(t *testing.T, s storage.Store) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(big)))
		_, _ = io.WriteString(w, big) // cut
	}))
	defer origin.Close()
	line, err := lossy.Start("tcp", origin.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	put(t, s, "old", "the old body")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, after := range []int64{1000, 9_000_000} {
		for _, ref := range []storage.Ref{"new/film", "old"} {
			line.Break(lossy.Fault{Kind: lossy.CutAnswer, After: after, Reset: ref == "old"})
			res, err := client.Get("http://" + line.Addr())
			if err != nil {
				t.Fatal(err)
			}
			if o, err := s.Put(t.Context(), ref, res.Body, storage.PutOptions{}); err == nil {
				t.Errorf("half a body was stored as %+v", o)
			}
			res.Body.Close()
		}
		wantAbsent(t, s, "new/film")
		wantBody(t, s, "old", "the old body")
	}
}

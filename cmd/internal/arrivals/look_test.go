package arrivals

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage"
	"bobine/storage/state"
)

func TestLook(t *testing.T) {
	pages := http.NewServeMux()
	pages.HandleFunc("/tagged", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"abc"`)
		http.ServeContent(w, r, "", noon, strings.NewReader("a film"))
	})
	pages.HandleFunc("/dated", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", noon, strings.NewReader("a film"))
	})
	pages.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a film")) })
	pages.HandleFunc("/shut", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	pages.HandleFunc("/inward", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
	})
	server := httptest.NewServer(pages)
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.mov")
	if err := os.WriteFile(file, []byte("a film"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.mov")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	store := startStore(t)
	if _, err := store.Put(t.Context(), "arte/a b.mov", strings.NewReader("a film"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	eyes := Eyes{AllowHosts: []string{"127.0.0.1"}, Find: func(_ context.Context, u *url.URL) (storage.Store, storage.Ref, error) {
		return store, storage.Ref(strings.TrimPrefix(u.Path, "/")), nil
	}}
	for source, want := range map[string]struct {
		mark   string
		absent bool
		says   string
	}{
		server.URL + "/tagged":       {mark: "abc"},
		server.URL + "/dated":        {mark: "6-1773489600"},
		server.URL + "/plain":        {mark: "unmarked"},
		server.URL + "/gone?sig=key": {absent: true},
		server.URL + "/shut?sig=key": {says: "403"},
		server.URL + "/inward":       {says: "inner address"},
		"http://localhost:1/a":       {says: "inner address"},
		"file://" + file:             {mark: queue.FileMark(info)},
		"file://" + file + "x":       {absent: true},
		"file://" + dir:              {says: "not a file"},
		"file://" + link:             {absent: true}, // it may lead into another's folder
		"s3://in/arte/a%20b.mov":     {},
		"s3://in/arte/a":             {absent: true},
	} {
		o, err := eyes.Look(t.Context(), source)
		switch {
		case want.absent != errors.Is(err, storage.ErrNotExist),
			want.says == "" && !want.absent && (err != nil || o.Bytes != 6 || o.Mark != want.mark || o.URL != source),
			want.says != "" && (err == nil || !strings.Contains(err.Error(), want.says)):
			t.Errorf("%s: %+v, %v", source, o, err)
		}
		if err != nil && strings.Contains(err.Error(), "sig=key") {
			t.Errorf("%v tells the whole URL", err)
		}
	}
}

// TestAwait tells of films before they are there: one comes, one does not, and
// one lies where nobody can look.
func TestAwait(t *testing.T) {
	ctx, c, there := context.Background(), &clock{now: noon}, &objects{}
	ledger := startLedger(t)
	o := options(ledger, startStore(t), book{"arte": nil}, there, c)
	broken := errors.New("no way there")
	o.Look = func(ctx context.Context, source string) (queue.Origin, error) {
		if strings.HasSuffix(source, "walled.mov") {
			return queue.Origin{}, broken
		}
		return there.look(ctx, source)
	}
	o.Tell = func(_ queue.Partner, before *queue.Job, after queue.Job, now time.Time) []queue.Delivery {
		if before == nil || after.State != queue.Rejected {
			return nil
		}
		return []queue.Delivery{{ID: "rejected " + after.ID, Event: queue.EventRejected, Created: now}}
	}
	d, stop := open(t, o)
	ids := map[string]string{}
	for _, name := range []string{"late", "never", "walled"} {
		r, err := d.Receive(ctx, []queue.Notice{{Partner: "arte", Way: queue.ByHook, Source: "s3://in/arte/" + name + ".mov", Deadline: noon.Add(8 * time.Hour)}})
		if err != nil || r[0].Refused != nil {
			t.Fatal(r, err)
		}
		ids[name] = r[0].Job
	}
	look := func() {
		t.Helper()
		for {
			due, err := ledger.Awaited(ctx, c.Now(), lookRound)
			if err != nil {
				t.Fatal(err)
			}
			if len(due) == 0 {
				return
			}
			if _, err := d.round(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	is := func(name string, want queue.State) queue.Job {
		t.Helper()
		j, err := ledger.JobsOf(ctx, ids[name])
		if err != nil || j[0].State != want {
			t.Fatalf("%s is %+v (%v), want %s", name, j, err, want)
		}
		return j[0]
	}
	look()
	c.add(time.Hour - time.Second)
	look()
	is("never", queue.Received)
	there.put("s3://in/arte/late.mov", queue.Origin{Bytes: 7, Mark: "abc", VersionID: "v1"})
	c.add(time.Second)
	look()
	late := is("late", queue.Received)
	tasks, err := ledger.Tasks(ctx, late.ID)
	if err != nil || len(tasks) != 1 || late.Await != nil || late.Origin.Mark != "abc" || late.Origin.VersionID != "v1" || late.Tasks != 1 {
		t.Errorf("the film that came is %+v, with tasks %+v (%v)", late, tasks, err)
	}
	never := is("never", queue.Rejected)
	if never.Error.Code != queue.CodeNever || !strings.Contains(never.Error.Message, "s3://in/arte/never.mov") || !strings.Contains(never.Error.Message, "1h") {
		t.Errorf("the film that did not come ended with %+v", never.Error)
	}
	is("walled", queue.Received)
	c.add(8 * time.Hour)
	look()
	is("walled", queue.Rejected)
	if told, err := ledger.Deliveries(ctx, 10); err != nil || len(told) != 2 {
		t.Errorf("%d rejections are told (%v), want 2", len(told), err)
	}
	// Told of once more, the film that never came is waited for anew.
	r, err := d.Receive(ctx, []queue.Notice{{Partner: "arte", Way: queue.ByHook, Source: "s3://in/arte/never.mov"}})
	if err != nil || r[0].Job == never.ID || !r[0].New {
		t.Errorf("told of again: %+v, %v", r, err)
	}
	stop()
	if all, err := ledger.Jobs(ctx, state.Filter{}); err != nil || len(all) != 4 {
		t.Errorf("%d jobs (%v)", len(all), err)
	}
}

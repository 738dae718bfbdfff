package storagetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"bobine/storage"
)

var goodNames = []storage.Ref{
	"plain.mp4", "with space", "  led by spaces", "trailing ", "quote'd", `double "quoted"`, "100%", "%2e%2e",
	"%2F", "what?", "a=b&c=d;e", "hash#tag", "plus+plus", "star*", "[brackets]", "{braces}", "$HOME", "`tick`",
	"back\\slash", "pipe|<>", "-rf", "--help", "~", "colon:C:", "comma,", "!bang", ".hidden", "..two", "...",
	"dots..in", "über/naïve/película", "日本語/映画", "emoji/🎬", "combining/e\u0301",
	"deep/1/2/3/4/5/6/7/8/9/0", storage.Ref(strings.Repeat("n", 200)),
	storage.Ref(strings.Repeat("long/", 204) + "four"), // 1,024 bytes, as long as a Ref may be
}

func names(t *testing.T, s storage.Store) {
	for _, r := range goodNames {
		put(t, s, r, "body of "+string(r))
	}
	for _, r := range goodNames {
		wantBody(t, s, r, "body of "+string(r))
		if o, err := s.Stat(t.Context(), r); err != nil || o.Ref != r {
			t.Errorf("stat %q: %+v, %v", r, o, err)
		}
	}
	want := []string{}
	for _, r := range goodNames {
		want = append(want, string(r))
	}
	slices.Sort(want)
	if got := listed(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("list:\n%q, want\n%q", got, want)
	}
	if err := s.Delete(t.Context(), goodNames...); err != nil {
		t.Error(err)
	}
	if got := listed(t, s, ""); len(got) > 0 {
		t.Errorf("after deleting all, the store lists %q", got)
	}
}

func badNames(t *testing.T, s storage.Store) {
	for _, r := range []storage.Ref{
		"", ".", "..", "/", "/etc/passwd", "../up", "a/../../up", "a/..", "./a", "a/./b", "a//b", "a/", "new\nline",
		"nul\x00", "tab\t", "del\x7f", "not utf-8 \xff", storage.Ref(strings.Repeat("n/", 512) + "n"),
	} {
		for call, err := range calls(t.Context(), s, r) {
			if r == "" && call == "List" {
				continue // the empty prefix lists all
			}
			if !errors.Is(err, storage.ErrBadRef) {
				t.Errorf("%s(%.40q): %v, want ErrBadRef", call, r, err)
			}
		}
	}
	put(t, s, "good", "x")
	if err := s.Delete(t.Context(), "good", "../bad"); !errors.Is(err, storage.ErrBadRef) {
		t.Errorf("delete of a good and a bad name: %v, want ErrBadRef", err)
	}
	if got := listed(t, s, "go"); len(got) > 0 {
		t.Errorf("list of half a name: %q", got)
	}
}

func ranges(t *testing.T, s storage.Store) {
	put(t, s, "film", "0123456789")
	put(t, s, "empty", "")
	for _, c := range []struct {
		ref    storage.Ref
		off, n int64
		want   string
	}{
		{"film", 0, -1, "0123456789"},
		{"film", 0, 0, ""},
		{"film", 0, 1, "0"},
		{"film", 0, 10, "0123456789"},
		{"film", 0, 11, "0123456789"},
		{"film", 3, 4, "3456"},
		{"film", 3, -1, "3456789"},
		{"film", 9, 1, "9"},
		{"film", 9, 1 << 62, "9"},
		{"film", 10, -1, ""},
		{"film", 10, 5, ""},
		{"film", 1 << 40, 5, ""},
		{"film", 1 << 40, -1, ""},
		{"empty", 0, -1, ""},
		{"empty", 0, 5, ""},
	} {
		f, err := s.Open(t.Context(), c.ref, c.off, c.n)
		if err != nil {
			t.Errorf("open %s, %d bytes from %d: %v", c.ref, c.n, c.off, err)
			continue
		}
		got, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil || string(got) != c.want {
			t.Errorf("%s, %d bytes from %d: %q, %v, want %q", c.ref, c.n, c.off, got, err, c.want)
		}
	}
}

func absent(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "x")
	for _, r := range []storage.Ref{"never", "a/never", "a/b/below", "a/b/below/it", "never/was/there"} {
		wantAbsent(t, s, r)
		if _, err := s.Open(t.Context(), r, 5, 5); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("open a range of %q: %v, want ErrNotExist", r, err)
		}
	}
}

func folders(t *testing.T, s storage.Store) {
	put(t, s, "a/b/c", "x")
	wantAbsent(t, s, "a")
	wantAbsent(t, s, "a/b")
	wantBody(t, s, "a/b/c", "x")
}

func list(t *testing.T, s storage.Store) {
	// "-", "." and "!" stand before "/", "0" behind it: a walk that sorts
	// folder by folder gets this wrong.
	all := []string{
		"a!/x", "a-2", "a-2b/z", "a.txt", "a/b", "a/b-2", "a/b.m4s", "a/c/d", "a/c/e/f", "a/c0", "a0", "ab", "abc/d",
		"b", "Z/z", "é",
	}
	for _, r := range all {
		put(t, s, storage.Ref(r), r)
	}
	slices.Sort(all)
	for _, c := range []struct {
		prefix storage.Ref
		want   []string
	}{
		{"", all},
		{"a", []string{"a/b", "a/b-2", "a/b.m4s", "a/c/d", "a/c/e/f", "a/c0"}},
		{"a/c", []string{"a/c/d", "a/c/e/f"}},
		{"a/c/e", []string{"a/c/e/f"}},
		{"ab", nil},
		{"b", nil},
		{"a/b", nil},
		{"a/b/below", nil},
		{"never", nil},
		{"never/was", nil},
	} {
		if got := listed(t, s, c.prefix); !slices.Equal(got, c.want) {
			t.Errorf("list %q:\n%q, want\n%q", c.prefix, got, c.want)
		}
	}
	for o, err := range s.List(t.Context(), "a/c/e") {
		if err != nil || o.Bytes != int64(len("a/c/e/f")) || o.Modified.IsZero() {
			t.Errorf("list tells %+v, %v", o, err)
		}
	}
}

func listBreak(t *testing.T, s storage.Store) {
	for _, r := range []storage.Ref{"a/1", "a/b/2", "a/b/3", "a/c/4", "d"} {
		put(t, s, r, "x")
	}
	for stop := 1; stop <= 5; stop++ {
		n := 0
		for _, err := range s.List(t.Context(), "") { // yielding after the break would panic
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("List gave %d objects, want to stop at %d", n, stop)
		}
	}
}

func cancelled(t *testing.T, s storage.Store) {
	put(t, s, "film", "body")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f, err := s.Open(ctx, "film", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	walked := 0
	put(t, s, "dir/1", "x")
	put(t, s, "dir/2", "x")
	for _, err = range s.List(ctx, "dir") {
		walked++
		cancel()
	}
	if !errors.Is(err, context.Canceled) || walked > 2 {
		t.Errorf("a walk that is cancelled midway ended after %d steps with %v, want context.Canceled", walked, err)
	}
	for call, err := range calls(ctx, s, "film") {
		if call != "List" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", call, err)
		}
	}
	wantBody(t, s, "film", "body")
}

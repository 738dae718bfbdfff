package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"bobine/encoder"
)

// remote is a source that comes as it is read, and knows what has come.
type remote struct {
	path string
	from *os.File
	to   *os.File

	mu     sync.Mutex
	asked  int64 // bytes
	before func(ctx context.Context, off int64) error
}

// away makes a source remote.
func away(t *testing.T, path string) *remote {
	t.Helper()
	if err := Partly(); err != nil {
		t.Skip(err)
	}
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := from.Stat()
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(path)))
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Truncate(info.Size()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close(); to.Close() })
	return &remote{path: to.Name(), from: from, to: to}
}

func (r *remote) Path() string { return r.path }

func (r *remote) Fill(ctx context.Context, off, n int64) error {
	if r.before != nil {
		if err := r.before(ctx, off); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := io.Copy(io.NewOffsetWriter(r.to, off), io.NewSectionReader(r.from, off, n))
	r.asked += k
	return err
}

// came tells how many bytes did.
func (r *remote) came() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

const talking = "-f lavfi -i testsrc2=s=128x72:r=25:d=1.5 -f lavfi -i sine=f=440:d=1.5 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -shortest"

// A source that comes as it is read is the source: what is found of it and
// what is made of it are the same to the byte.
func TestPartialIsTheSame(t *testing.T) {
	e := find(t)
	for _, name := range []string{"index last.mp4", "index first.mp4", "film.mkv", "film.ts"} {
		t.Run(name, func(t *testing.T) {
			args := talking
			if name == "index first.mp4" {
				args += " -movflags +faststart"
			}
			path := film(t, name, args)
			src, l := plan(t, e, path, small(), 0)
			want := encode(t, e, path, src, l)

			r := away(t, path)
			far := e.Filling(r)
			got, err := far.Probe(t.Context(), r.Path())
			if err != nil || got.Unread != strings.HasSuffix(name, ".mp4") || !reflect.DeepEqual(known(got), known(src)) {
				t.Fatalf("probed %+v, %v, want %+v", got, err, src)
			}
			fresh := away(t, path)
			for rung, file := range encode(t, e.Filling(fresh), fresh.Path(), got, l) {
				a, err := os.ReadFile(want[rung])
				if err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(file)
				if err != nil || !bytes.Equal(a, b) {
					t.Errorf("%s differs (%d and %d bytes, %v)", rung, len(a), len(b), err)
				}
			}
			if r.came() == 0 || fresh.came() == 0 {
				t.Error("nothing was asked for: this proves nothing")
			}
		})
	}
}

// A source that cannot be read to its end is no short film: whatever ffmpeg
// makes of it, the task fails for that reason and no other.
func TestSourceBreaksOff(t *testing.T) {
	e := find(t)
	path := film(t, "a.ts", talking) // of all containers the one that may end anywhere
	src, l := plan(t, e, path, small(), 0)
	burnt := errors.New("the store is on fire")
	for after := range int64(3) {
		for name, do := range tasks(t, src, l) {
			r := away(t, path)
			r.before = func(_ context.Context, off int64) error {
				if off >= after*src.Bytes/3 {
					return burnt
				}
				return nil
			}
			err := do(t.Context(), e.Filling(r), r.Path())
			var away *SourceError
			if !errors.As(err, &away) || !errors.Is(err, burnt) || errors.Is(err, encoder.ErrBadInput) {
				t.Errorf("%s, after %d thirds: got %v", name, after, err)
			}
		}
	}
}

// tasks are all that reads a source.
func tasks(t *testing.T, src encoder.Source, l encoder.Ladder) map[string]func(context.Context, *Encoder, string) error {
	return map[string]func(context.Context, *Encoder, string) error{
		"probe": func(ctx context.Context, e *Encoder, path string) error {
			_, err := e.Probe(ctx, path)
			return err
		},
		"picture": func(ctx context.Context, e *Encoder, path string) error {
			_, err := e.Video(ctx, VideoJob{Input: path, Source: src, Ladder: l, Chunk: l.Chunks[0], Dir: t.TempDir()})
			return err
		},
		"sound": func(ctx context.Context, e *Encoder, path string) error {
			_, err := e.Audio(ctx, AudioJob{Input: path, Source: src, Ladder: l, Dir: t.TempDir()})
			return err
		},
	}
}

// A task that is stopped while its source keeps it waiting ends at once, for
// the reason it was stopped for, and leaves nothing running.
func TestStoppedWhileWaiting(t *testing.T) {
	e := find(t)
	path := film(t, "a.ts", talking)
	src, l := plan(t, e, path, small(), 0)
	if err := Partly(); err != nil {
		t.Skip(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	enough := errors.New("the worker leaves")
	for name, do := range tasks(t, src, l) {
		r := away(t, path)
		ctx, cancel := context.WithCancelCause(t.Context())
		r.before = func(ctx context.Context, off int64) error {
			cancel(enough)
			<-ctx.Done()
			return ctx.Err()
		}
		if err := do(ctx, e.Filling(r), r.Path()); !errors.Is(err, enough) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Of a film that is indexed a chunk reads the index and its own part.
func TestChunkReadsItsPart(t *testing.T) {
	e := find(t)
	for _, name := range []string{"a.mp4", "a.mkv"} {
		path := film(t, name, "-f lavfi -i testsrc2=s=640x360:r=25:d=8 -f lavfi -i sine=d=8 -c:v libx264 -preset ultrafast -g 25 -b:v 4M -pix_fmt yuv420p -c:a aac")
		src, l := plan(t, e, path, small(), 2e9)
		if len(l.Chunks) != 4 {
			t.Fatalf("%d chunks", len(l.Chunks))
		}
		var all []string
		for _, c := range l.Chunks {
			r := away(t, path)
			if _, err := e.Filling(r).Video(t.Context(), VideoJob{Input: r.Path(), Source: src, Ladder: l, Chunk: c, Dir: t.TempDir()}); err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(r.came()))
			if n := r.came(); n > src.Bytes*4/10 {
				t.Errorf("%s: chunk %d of 4 read %d of %d bytes", name, c.Index, n, src.Bytes)
			}
		}
		t.Logf("%s: of %d bytes the chunks read %v", name, src.Bytes, all)
	}
}

// known is a source without what is found out only by reading all of it.
func known(s encoder.Source) encoder.Source {
	s.Unread, s.Damage, s.Captions = false, nil, nil
	s.Audio = slices.Clone(s.Audio)
	for i := range s.Audio {
		s.Audio[i].Stereo, s.Audio[i].Surround = nil, nil
	}
	s.Warnings = slices.DeleteFunc(slices.Clone(s.Warnings), func(w string) bool {
		return strings.Contains(w, "the sound is silent") || strings.Contains(w, "CEA-708")
	})
	if len(s.Warnings) == 0 {
		s.Warnings = nil
	}
	if s.Video != nil { // a parser finds key pictures that the index does not name: nobody can seek to them
		v := *s.Video
		v.KeyGap, s.Video = 0, &v
	}
	return s
}

// Of a far film with an index the probe finds all that the index tells, and
// reads next to nothing else.
func TestSkimmedIsTheSame(t *testing.T) {
	e := find(t)
	for name, expect := range manifest(t) {
		if strings.HasPrefix(expect, "rejected") || !strings.HasSuffix(name, ".mp4") && !strings.HasSuffix(name, ".mov") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := clip(t, name)
			want, err := e.Probe(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			r := away(t, path)
			seen := newPage(r)
			got, err := e.Filling(seen).Probe(t.Context(), r.Path())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(known(got), known(want)) {
				t.Errorf("probed\n%+v, %+v, want\n%+v, %+v", known(got), got.Video, known(want), want.Video)
			}
			t.Logf("unread %t: %d of %d bytes came (%.2f)", got.Unread, seen.bytes(), want.Bytes, float64(seen.bytes())/float64(want.Bytes))
		})
	}
}

// pages counts what was asked for once, in pages as a page cache would.
type pages struct {
	*remote
	mu   sync.Mutex
	here map[int64]bool
}

func newPage(r *remote) *pages { return &pages{remote: r, here: map[int64]bool{}} }

func (p *pages) Fill(ctx context.Context, off, n int64) error {
	p.mu.Lock()
	for b := off >> 12; b <= (off+n-1)>>12; b++ {
		p.here[b] = true
	}
	p.mu.Unlock()
	return p.remote.Fill(ctx, off, n)
}

func (p *pages) bytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(len(p.here)) << 12
}

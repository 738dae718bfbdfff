package blocks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"bobine/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// origin is an object far away.
type origin struct {
	body     []byte
	requests atomic.Int64
	before   func(ctx context.Context, off, n int64) error
	short    int64 // bytes that are missing at its end
}

func newOrigin(size int) *origin {
	body := make([]byte, size)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(body)
	return &origin{body: body}
}

func (o *origin) open(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	o.requests.Add(1)
	if o.before != nil {
		if err := o.before(ctx, off, n); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(bytes.NewReader(o.body[min(off, int64(len(o.body))-o.short):min(off+n, int64(len(o.body))-o.short)])), nil
}

func (o *origin) file(t *testing.T) *File {
	t.Helper()
	f, err := New(filepath.Join(t.TempDir(), "source"), int64(len(o.body)), o.open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// check reads what was filled.
func (o *origin) check(t *testing.T, f *File, off, n int64) {
	t.Helper()
	got := make([]byte, n)
	if _, err := f.file.ReadAt(got, off); err != nil || !bytes.Equal(got, o.body[off:off+n]) {
		t.Errorf("%d bytes from %d on are not the object's (%v)", n, off, err)
	}
}

// Wherever one reads there are the object's bytes, and none comes twice.
func TestFill(t *testing.T) {
	o := newOrigin(40*block + 12345)
	f := o.file(t)
	size := int64(len(o.body))
	info, err := os.Stat(f.Path())
	if err != nil || info.Size() != size {
		t.Fatalf("got %v, %v", info, err)
	}
	r := f.Reader()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		off := random.Int64N(size)
		n := 1 + random.Int64N(3*block)
		if err := r.Fill(t.Context(), off, n); err != nil {
			t.Fatal(err)
		}
		o.check(t, f, off, min(n, size-off))
	}
	for _, odd := range [][2]int64{{size, 10}, {size + block, 1}, {-1, 5}, {3, 0}} {
		if err := r.Fill(t.Context(), odd[0], odd[1]); err != nil {
			t.Errorf("%v: %v", odd, err)
		}
	}
	if err := f.Reader().Fill(t.Context(), 0, 2*size); err != nil {
		t.Fatal(err)
	}
	o.check(t, f, 0, size)
	if f.Fetched() != size {
		t.Errorf("%d bytes were fetched of %d", f.Fetched(), size)
	}
}

// One block is all that a single read costs; who reads on and on makes far
// fewer requests than there are blocks, and is given little in advance.
func TestAdvance(t *testing.T) {
	o := newOrigin(200 * block)
	f := o.file(t)
	r := f.Reader()
	if err := r.Fill(t.Context(), 150*block+5, 10); err != nil || r.Fetched() != block {
		t.Errorf("one read fetched %d bytes (%v)", r.Fetched(), err)
	}
	const piece, until = 32 << 10, 100 * block
	for off := int64(0); off < until; off += piece {
		if err := r.Fill(t.Context(), off, piece); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.requests.Load(); n > 60 {
		t.Errorf("%d requests for 100 blocks in a row", n)
	}
	if over := r.Fetched() - block - until; over < 0 || over > until/advance {
		t.Errorf("%d bytes were fetched in vain", over)
	}
}

// Many readers at once share what comes.
func TestShared(t *testing.T) {
	o := newOrigin(64 * block)
	f := o.file(t)
	var all sync.WaitGroup
	var sum atomic.Int64
	for k := range 8 {
		all.Go(func() {
			r := f.Reader()
			for i := range int64(64) {
				b := (i + int64(k)*8) % 64
				if err := r.Fill(t.Context(), b*block+1, block/2); err != nil {
					t.Error(err)
				}
				o.check(t, f, b*block+1, block/2)
			}
			sum.Add(r.Fetched())
		})
	}
	all.Wait()
	if f.Fetched() != int64(len(o.body)) || sum.Load() != f.Fetched() {
		t.Errorf("%d bytes were fetched, %d by readers, of %d", f.Fetched(), sum.Load(), len(o.body))
	}
}

// Who waits for a block that another fetches waits no longer than that one
// lives: then it fetches itself.
func TestTheOtherGivesUp(t *testing.T) {
	o := newOrigin(4 * block)
	asked := make(chan struct{})
	var once sync.Once
	o.before = func(ctx context.Context, _, _ int64) (err error) {
		once.Do(func() {
			close(asked)
			<-ctx.Done()
			err = ctx.Err()
		})
		return err
	}
	f := o.file(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- f.Reader().Fill(ctx, 0, 10) }()
	<-asked
	second := make(chan error)
	go func() { second <- f.Reader().Fill(t.Context(), 5, 10) }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first got %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("the second got %v", err)
	}
	o.check(t, f, 0, block)
}

// What breaks off is an error, never the end; another try goes on.
func TestBreaksOff(t *testing.T) {
	o := newOrigin(4 * block)
	f := o.file(t)
	o.short = block / 2
	r := f.Reader()
	if err := r.Fill(t.Context(), 0, int64(len(o.body))); err == nil {
		t.Error("it ended before its end without an error")
	}
	burnt := errors.New("the store is on fire")
	o.before = func(context.Context, int64, int64) error { return burnt }
	if err := r.Fill(t.Context(), 3*block, 1); !errors.Is(err, burnt) {
		t.Errorf("got %v", err)
	}
	o.short, o.before = 0, nil
	if err := r.Fill(t.Context(), 0, int64(len(o.body))); err != nil {
		t.Fatal(err)
	}
	o.check(t, f, 0, int64(len(o.body)))
	if f.Fetched() != int64(len(o.body)) {
		t.Errorf("%d bytes were fetched of %d", f.Fetched(), len(o.body))
	}
}

// Closed means gone, for those who still read too.
func TestClose(t *testing.T) {
	o := newOrigin(2 * block)
	f := o.file(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Reader().Fill(t.Context(), 0, 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(f.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// What was given is there, and what of it makes whole blocks is not fetched.
func TestGiven(t *testing.T) {
	o := newOrigin(8*block + 100)
	f := o.file(t)
	for _, s := range []storage.Span{{From: block - 5, To: 3*block + 5}, {From: 7*block + 1, To: 8*block + 100}} {
		if err := f.Give(s, bytes.NewReader(o.body[s.From:s.To])); err != nil {
			t.Fatal(err)
		}
	}
	r := f.Reader()
	if err := r.Fill(t.Context(), 0, int64(len(o.body))); err != nil {
		t.Fatal(err)
	}
	o.check(t, f, 0, int64(len(o.body)))
	if got, want := r.Fetched(), int64(6*block); got != want { // blocks 1, 2 and the last were whole
		t.Errorf("%d bytes were fetched, want %d", got, want)
	}
	if got := r.Passed(); len(got) != 1 || got.Bytes() != int64(len(o.body)) {
		t.Errorf("it passed %v", got)
	}
	if err := f.Give(storage.Span{From: 8 * block, To: 9 * block}, bytes.NewReader(o.body)); err == nil {
		t.Error("bytes beyond the end were taken")
	}
	if err := f.Give(storage.Span{From: 0, To: 10}, bytes.NewReader(o.body[:9])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("too few bytes: %v", err)
	}
}

//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func init() {
	attacks["say"] = func(args []string) error {
		text, err := os.ReadFile(args[0])
		fmt.Printf("%s|", text)
		return err
	}
	attacks["say the end"] = func(args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		var text [4]byte
		n, err := f.ReadAt(text[:], 12)
		fmt.Printf("%s|", text[:n])
		return err
	}
	attacks["vector"] = func(args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		_, err = unix.Readv(int(f.Fd()), [][]byte{make([]byte, 4)})
		return err
	}
	attacks["send"] = func(args []string) error {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		_, err = unix.Sendfile(1, int(f.Fd()), nil, 4)
		return err
	}
}

// far is a source that comes as it is read.
type far struct {
	Partial
	mu    sync.Mutex
	asked [][2]int64
	told  error
}

func (s *far) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// ranges are those asked for since the last call.
func (s *far) ranges() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.asked = nil }()
	return fmt.Sprint(s.asked)
}

const distant = "a film far away!"

func holes(t *testing.T, fill func(f *os.File, off, n int64) error) *far {
	t.Helper()
	if err := Parts(); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "holes")
	if err := os.WriteFile(path, make([]byte, len(distant)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	s := &far{}
	s.Partial = Partial{
		Path: path,
		Fill: func(_ context.Context, off, n int64) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked = append(s.asked, [2]int64{off, n})
			return fill(file, off, n)
		},
		Failed: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = err
		},
	}
	return s
}

func pour(f *os.File, off, n int64) error {
	_, err := io.Copy(io.NewOffsetWriter(f, off), io.NewSectionReader(strings.NewReader(distant), off, n))
	return err
}

// What is read comes before the read returns, and no more than was asked for;
// other files, and the walls, are as ever.
func TestReadsAreAwaited(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := holes(t, pour)
	b := Box{Read: []string{s.Path}, Partial: &s.Partial}
	if said, err := attack(t, b, "say the end", s.Path); err != nil || said != distant[12:]+"|reached" {
		t.Errorf("it said %q, %v", said, err)
	}
	if got := s.ranges(); got != "[[12 4]]" {
		t.Errorf("asked for %s", got)
	}
	if said, err := attack(t, b, "say", s.Path); err != nil || said != distant+"|reached" {
		t.Errorf("it said %q, %v", said, err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("near"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Read = append(b.Read, other)
	s.ranges()
	if said, err := attack(t, b, "say", other); err != nil || said != "near|reached" || s.ranges() != "[]" {
		t.Errorf("it said %q, %v", said, err)
	}
	for _, name := range []string{"socket", "fork", "program"} {
		if said, err := attack(t, b, name); err != nil || !strings.HasPrefix(said, "refused: ") {
			t.Errorf("%s: it said %q, %v", name, said, err)
		}
	}
}

// A read that cannot be served fails, and whoever started the program is told
// why. So do those that would read by without being seen.
func TestReadsFail(t *testing.T) {
	defer goleak.VerifyNone(t)
	broken := errors.New("the store is on fire")
	s := holes(t, func(*os.File, int64, int64) error { return broken })
	b := Box{Read: []string{s.Path}, Partial: &s.Partial}
	if said, _ := attack(t, b, "say", s.Path); !strings.Contains(said, "input/output error") || !errors.Is(s.reason(), broken) {
		t.Errorf("it said %q, and we were told %v", said, s.reason())
	}
	s = holes(t, pour)
	b = Box{Read: []string{s.Path}, Partial: &s.Partial}
	if said, _ := attack(t, b, "vector", s.Path); !strings.HasPrefix(said, "refused: ") || s.reason() == nil {
		t.Errorf("it said %q, and we were told %v", said, s.reason())
	}
	if said, _ := attack(t, b, "send", s.Path); !strings.HasPrefix(said, "refused: ") {
		t.Errorf("it said %q", said)
	}
}

// Who is killed while it waits for a part leaves nothing behind.
func TestKilledWhileItReads(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := holes(t, pour)
	asked, left := make(chan struct{}), make(chan struct{})
	s.Fill = func(ctx context.Context, _, _ int64) error {
		close(asked)
		<-ctx.Done()
		close(left)
		return ctx.Err()
	}
	p, err := Start(exec.Command(os.Args[0], "-attack", "say", s.Path), Box{Read: []string{s.Path}, Partial: &s.Partial})
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-left
	if s.reason() != nil {
		t.Errorf("we were told %v, though it was we who ended it", s.reason())
	}
}

package controller

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// LockedError means that another farm works in the data folder.
type LockedError struct{ Data, PID string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("another bobine (pid %s) works in %s: stop it, or choose another folder with --data", e.PID, e.Data)
}

// lock takes the data folder for this process until the file is closed. The
// kernel frees it however the process ends.
func lock(data string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(data, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid, readErr := io.ReadAll(io.LimitReader(f, 20))
		return nil, errors.Join(&LockedError{Data: data, PID: strings.TrimSpace(string(pid))}, readErr, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", data, err), f.Close())
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", data, err), f.Close())
	}
	return f, nil
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(fmt.Sprintln(os.Getpid())), 0)
	return err
}

// markOf tells a data folder from all others: containers may share the names
// of host and path.
func markOf(data string) (string, error) {
	path := filepath.Join(data, "mark")
	mark, err := os.ReadFile(path)
	if len(mark) > 0 {
		return strings.TrimSpace(string(mark)), nil
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		mark = []byte(rand.Text()[:8])
		err = os.WriteFile(path, mark, 0o600) // cut off it is empty, and made again
	}
	if err != nil {
		return "", fmt.Errorf("mark the data folder: %w", err)
	}
	return string(mark), nil
}

package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// scratch makes a folder for what one worker is making, and clears away
// those of workers that were killed: nobody holds their locks any more.
func scratch(dir string) (string, io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the folder of scratch: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "worker-*.lock"))
	if err != nil {
		return "", nil, fmt.Errorf("look for old scratch folders: %w", err)
	}
	for _, path := range old {
		clear(path)
	}
	f, err := os.CreateTemp(dir, "worker-*.lock")
	if err != nil {
		return "", nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	folder := folderOf(f.Name())
	if err == nil {
		err = os.Mkdir(folder, 0o700)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make the scratch folder %s: %w", folder, err), f.Close())
	}
	return folder, f, nil
}

func folderOf(lock string) string { return lock[:len(lock)-len(".lock")] }

// clear removes the scratch folder of a lock nobody holds.
func clear(lock string) {
	f, err := os.OpenFile(lock, os.O_RDWR, 0)
	if err != nil {
		return // gone meanwhile
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return
	}
	if os.RemoveAll(folderOf(lock)) == nil {
		_ = os.Remove(lock)
	}
}

//go:build !linux

package sandbox

import (
	"errors"
	"os/exec"
	"runtime"

	"bobine/provisioner/child"
)

func start(cmd *exec.Cmd, b Box) (*child.Process, error) {
	if b.Partial != nil {
		return nil, parts()
	}
	return child.Start(cmd)
}

func parts() error { return errors.New("reads cannot be awaited on " + runtime.GOOS) }

func layers() []Layer {
	why, do := "there is none for "+runtime.GOOS, "run workers on Linux where sources come from strangers"
	return []Layer{
		{Name: "files", How: why, Do: do, Needs: true},
		{Name: "network", How: why, Do: do, Needs: true},
		{Name: "processes", How: why, Do: do},
		{Name: "system calls", How: why, Do: do},
		{Name: "limits", How: "wall clock and stall only", Do: do},
		{Name: "environment", Holds: true, How: "none of ours"},
	}
}

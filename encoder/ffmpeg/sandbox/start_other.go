//go:build !linux

package sandbox

import (
	"os/exec"
	"runtime"

	"bobine/provisioner/child"
)

func start(cmd *exec.Cmd, _ Box) (*child.Process, error) { return child.Start(cmd) }

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

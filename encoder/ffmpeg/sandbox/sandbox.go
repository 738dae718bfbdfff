// Package sandbox runs a program that reads what strangers sent. Inside, it
// sees the files named to it and those of the system, and nothing else: no
// other file, no network, no other process, no environment; it starts no
// program, and its memory, processor time and output are bounded. It dies
// with whoever started it.
//
// Each of these is a layer of the kernel's, and not every kernel has them
// all. What is missing is left out and told by Layers, after a trial: a
// layer holds when a program was seen to fail, never because a call did not.
package sandbox

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"bobine/provisioner/child"
)

// Box is what one program may do. A limit of 0 is none.
type Box struct {
	Read  []string // absolute files and folders; each must exist
	Write []string // absolute folders to read and write in; each must exist

	Memory  int64         // bytes of address space that holds data
	Output  int64         // bytes in any one file
	CPU     time.Duration // of all threads together
	Scratch string        // for temporary files; empty: none

	Partial *Partial `json:"-"` // nil: all that is read is there
}

// Partial is a file with holes: bytes that come only when they are asked for.
// The program reads it as any other file, and each of its reads waits for Fill.
type Partial struct {
	Path string // among those of Read; as long as the whole

	// Fill returns when n bytes from off on are in the file. Should it fail,
	// so does the read. ctx ends with the program.
	Fill func(ctx context.Context, off, n int64) error

	// Failed is told why a read failed, before it does. To many a program
	// that is the end of the file: whoever started it has to remember.
	Failed func(error)
}

// Parts tells why no program can be given a Partial here; nil: it can.
func Parts() error { return parts() }

// Start runs cmd in the box. Its environment, its folder and its attributes
// are the sandbox's to set. An error means that the program did not run: a
// layer that was seen to hold and now does not is one, and so is a Partial
// where Parts tells of none.
func Start(cmd *exec.Cmd, b Box) (*child.Process, error) {
	program := cmd.Path
	cmd.Env, cmd.Dir = environment(b), "/"
	p, err := start(cmd, b)
	if err != nil {
		return nil, fmt.Errorf("start %s in its sandbox: %w", program, err)
	}
	return p, nil
}

// Layer is one wall of the sandbox.
type Layer struct {
	Name  string `json:"name"`
	Holds bool   `json:"holds"`
	How   string `json:"how"`          // what holds it, or why it does not
	Do    string `json:"do,omitempty"` // what to do where it does not
	Needs bool   `json:"needs"`        // `sandbox: require` insists on it
}

// Layers tells which walls stand on this machine, by trying each once.
func Layers() []Layer { return layers() }

// Missing names the walls that `sandbox: require` insists on and that do not
// stand here.
func Missing() []Layer {
	var out []Layer
	for _, l := range Layers() {
		if l.Needs && !l.Holds {
			out = append(out, l)
		}
	}
	return out
}

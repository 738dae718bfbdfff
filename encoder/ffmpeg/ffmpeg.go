// Package ffmpeg is the encoder that runs ffmpeg and ffprobe as children: it
// probes a source, encodes one chunk to every rung from one decode, encodes
// all sound of a film at once, and decodes what it made before anyone may
// have it. Exit codes prove nothing here; counted frames and an empty list
// of errors do.
package ffmpeg

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"bobine/encoder/ffmpeg/sandbox"
	"bobine/provisioner/child"
)

// Encoder runs one installed ffmpeg. It is safe for concurrent use.
type Encoder struct {
	ffmpeg, ffprobe string // paths
	version         string
	zscale          bool   // HDR can be mapped to SDR
	config          string // what it was built with

	start   func(*exec.Cmd, sandbox.Box) (*child.Process, error)
	bounds  bounds // of its runs
	scratch string // of its probes; "": the system's

	partial Partial                  // nil: sources are all here
	failed  func(error)              // ends a task that reads partial
	fill    func(off, n int64) error // of partial, in a task
}

// Find looks for ffmpeg and ffprobe in PATH. Its error says what to install.
func Find() (*Encoder, error) {
	e := Encoder{start: sandbox.Start}
	for name, path := range map[string]*string{"ffmpeg": &e.ffmpeg, "ffprobe": &e.ffprobe} {
		var err error
		if *path, err = exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%s is not installed (apt-get install ffmpeg / brew install ffmpeg): %w", name, err)
		}
	}
	out, err := exec.Command(e.ffmpeg, "-hide_banner", "-version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s does not run, install it anew (apt-get install ffmpeg / brew install ffmpeg): %w", e.ffmpeg, err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("%s says no version: %.80q", e.ffmpeg, out)
	}
	e.version = string(m[1])
	e.config = string(out)
	if !strings.Contains(e.config, "--enable-libx264") {
		return nil, errors.New(e.ffmpeg + " was built without libx264: install the one of your system (apt-get install ffmpeg / brew install ffmpeg)")
	}
	e.zscale = strings.Contains(e.config, "--enable-libzimg")
	return &e, nil
}

var versionLine = regexp.MustCompile(`(?m)^ffmpeg version (\S+)`)

// Version is what ffmpeg calls itself, such as "5.1.9-0+deb12u1".
func (e *Encoder) Version() string { return e.version }

// formats are the demuxers a source may be read with. Everything else,
// playlists and still pictures first, is refused before it is opened.
const formats = "mov,matroska,mpegts,mpeg,mpegvideo,mxf,avi,flv,asf,ogg,wav,w64,aiff,caf,mp3,aac,ac3,eac3,flac,dv,gxf"

// source is the argument that names a file, whatever characters its path
// has: nothing in it is a protocol or an option.
func source(path string) string { return "file:" + path }

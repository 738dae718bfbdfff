package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"bobine/provisioner/child"
)

// testFilm makes 30 seconds of moving picture with sound, once: a later demo
// on the same folder finds it there.
func (a *app) testFilm(ctx context.Context, dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, "test-film.mp4"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintln(a.out, "making a test film of 30 seconds")
	half := path + ".part"
	defer os.Remove(half)
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=24:duration=30",
		"-f", "lavfi", "-i", "sine=frequency=220:beep_factor=4:sample_rate=48000:duration=30",
		"-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p",
		"-c:a", "aac", "-ac", "2", "-movflags", "+faststart", "-f", "mp4", half)
	var said bytes.Buffer
	cmd.Stderr = &said
	p, err := child.Start(cmd)
	if err != nil {
		return "", fmt.Errorf("make the test film: %w", err)
	}
	if err := p.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return "", fmt.Errorf("make the test film: %w", errors.Join(err, errors.New(strings.TrimSpace(said.String()))))
	}
	return path, os.Rename(half, path)
}

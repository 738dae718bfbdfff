package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What works on pictures in the sandbox has them in large pages.
func TestLargePages(t *testing.T) {
	const choice = "/sys/kernel/mm/transparent_hugepage/enabled"
	if mode, err := os.ReadFile(choice); err != nil || !strings.Contains(string(mode), "[madvise]") {
		t.Skipf("the kernel does not ask programs: %s %v", mode, err)
	}
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// Sixteen pictures of 3 MB are held at a time.
	cmd := exec.Command(program, strings.Fields("-nostdin -v error -progress pipe:1 -stats_period 0.01 "+
		"-f lavfi -i testsrc2=s=1920x1080,format=yuv420p -filter_complex tmix=frames=16 -f null -")...)
	cmd.Stdout = w
	p, err := Start(cmd, Box{})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var frame int
		if n, _ := fmt.Sscanf(strings.ReplaceAll(lines.Text(), " ", ""), "frame=%d", &frame); n == 1 && frame > 20 {
			break
		}
	}
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
	cancel()
	_ = p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var large int
	for line := range strings.Lines(string(rollup)) {
		_, _ = fmt.Sscanf(line, "AnonHugePages: %d kB", &large)
	}
	if large < 24<<10 {
		t.Errorf("%d kB are in large pages, of 48 MB of pictures:\n%s", large, rollup)
	}
}

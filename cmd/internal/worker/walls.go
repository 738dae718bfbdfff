package worker

import (
	"fmt"
	"log/slog"

	"bobine/encoder/ffmpeg/sandbox"
)

// walls tells which walls around ffmpeg this machine lacks. A strict worker
// does not start without those that keep strangers from files and network.
func walls(strict bool, log *slog.Logger) error {
	for _, l := range sandbox.Layers() {
		if !l.Holds {
			log.Warn("the sandbox of ffmpeg lacks a wall", "wall", l.Name, "reason", l.How, "to do", l.Do)
		}
	}
	if missing := sandbox.Missing(); strict && len(missing) > 0 {
		l := missing[0]
		return fmt.Errorf("the sandbox has no wall around %s: %s; %s, or set encode.sandbox to prefer", l.Name, l.How, l.Do)
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"time"
)

// liveLine tells how far a long command is: on a terminal one line that
// changes, elsewhere a line now and then. It is for one goroutine at a time.
type liveLine struct {
	w     io.Writer
	live  bool // w is a terminal
	began time.Time
	last  time.Time // something was written, or it began
	shown bool
}

func newLiveLine(w io.Writer) liveLine {
	now := time.Now()
	return liveLine{w: w, live: terminal(w), began: now, last: now}
}

// tell writes what text says after so long, if it is time to write again.
func (l *liveLine) tell(text func(spent time.Duration) string) {
	now, pause := time.Now(), 15*time.Second
	if l.live {
		pause = 200 * time.Millisecond
	}
	if now.Sub(l.last) < pause {
		return
	}
	l.last, l.shown = now, true
	if line := text(now.Sub(l.began)); l.live {
		fmt.Fprint(l.w, "\r\x1b[K", line)
	} else {
		fmt.Fprintln(l.w, line)
	}
}

// end leaves a terminal's line empty.
func (l *liveLine) end() {
	if l.live && l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
	l.shown = false
}

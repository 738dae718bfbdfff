package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// ReadSettings reads the settings a provider hands its worker as one line.
// The channel is closed when the other end of the pipe is gone, and with it
// whoever launched us: time to go too.
func ReadSettings(r io.Reader) (Settings, <-chan struct{}, error) {
	in := bufio.NewReader(r)
	var s Settings
	line, err := in.ReadBytes('\n')
	if err != nil {
		return s, nil, fmt.Errorf("read the worker's settings from standard input: %w", err)
	}
	if err := json.Unmarshal(line, &s); err != nil {
		return s, nil, fmt.Errorf("read the worker's settings from standard input: %w", err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, in) // ends with the pipe, however it ends
	}()
	return s, gone, nil
}

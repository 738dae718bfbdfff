// Package settings is what a controller hands to a worker at its start, so
// that neither needs to know how the other is made.
package settings

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"bobine/configs"
	"bobine/storage/state"
)

// Worker is all a worker needs to know. It travels as one line of JSON.
type Worker struct {
	Redis      state.Conn     `json:"redis"`
	Store      string         `json:"store"` // a folder, or s3://bucket/prefix
	S3         configs.S3     `json:"s3"`
	Copies     []configs.Copy `json:"copies,omitempty"`
	Scratch    string         `json:"scratch"` // folder; the worker makes one of its own below
	Slots      int            `json:"slots"`
	Token      string         `json:"token,omitempty"` // of the launch it answers
	Beat       time.Duration  `json:"beat"`
	Attempts   int            `json:"attempts"`              // failures of one task before it fails for good
	AllowHosts []string       `json:"allow_hosts,omitempty"` // inner hosts a source may be fetched from
	Strict     bool           `json:"strict,omitempty"`      // work only where the sandbox holds
	Version    string         `json:"version"`
	Log        configs.Log    `json:"log"`
}

// Read takes the settings off a worker's standard input. The channel is
// closed when the other end of the pipe is gone, and with it whoever launched
// the worker: time to go too.
func Read(r io.Reader) (Worker, <-chan struct{}, error) {
	in := bufio.NewReader(r)
	var w Worker
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &w)
	}
	if err != nil {
		return w, nil, fmt.Errorf("no settings on standard input (%w): workers are started by `bobine up`", err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, in) // ends with the pipe, however it ends
	}()
	return w, gone, nil
}

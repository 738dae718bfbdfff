// Package settings is what a worker needs to know at its start: handed over
// by the controller that launched it, so that neither needs to know how the
// other is made, or read from the configuration when it joins by itself.
package settings

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
	Instance   string         `json:"instance,omitempty"` // the machine's own name by its provider; empty: it joined by itself
	Launch     string         `json:"launch,omitempty"`   // it answers
	Joined     bool           `json:"joined,omitempty"`   // it started by itself: nobody found Redis fit for it
	Beat       time.Duration  `json:"beat"`
	Attempts   int            `json:"attempts"`              // failures of one task before it fails for good
	AllowHosts []string       `json:"allow_hosts,omitempty"` // inner hosts a source may be fetched from
	Strict     bool           `json:"strict,omitempty"`      // work only where the sandbox holds
	Life       time.Duration  `json:"life,omitempty"`        // then the worker leaves by itself; 0: never
	GiveUp     time.Duration  `json:"give_up,omitempty"`     // without work and without Redis for so long it leaves by itself; 0: never
	Version    string         `json:"version"`
	Log        configs.Log    `json:"log"`
}

// Of is what the configuration says of every worker of a farm. Redis, Store,
// Scratch, Slots, Instance and Launch are left to the caller.
func Of(c configs.Config, version string) Worker {
	return Worker{
		S3: c.Storage.S3, Copies: c.Backup.Copies, Beat: c.Lease.Beat, Attempts: c.Encode.Attempts,
		AllowHosts: c.Sources.AllowHosts, Strict: c.Encode.Sandbox == "require", Version: version, Log: c.Log,
	}
}

// Join is what a worker needs that was started by hand, on any machine. It
// shares Redis and a bucket with the farm; the rest should be set as it is
// there. Errors are of type configs.Problems, but for a password file that
// cannot be read.
func Join(c configs.Config, version string) (Worker, error) {
	var wrong configs.Problems
	if c.Redis.URL == "" {
		wrong = append(wrong, configs.Problem{Key: "redis.url", Message: "redis.url is empty: a worker joins its farm by the Redis of both; set it, or BOBINE_REDIS_URL, here and where the farm runs"})
	}
	if _, _, bucket := configs.Bucket(c.Storage.Outputs); !bucket {
		wrong = append(wrong, configs.Problem{Key: "storage.outputs", Message: fmt.Sprintf("storage.outputs is %q, no bucket that other machines reach: a worker joins a farm that publishes to s3://bucket/prefix; set it, or BOBINE_STORAGE_OUTPUTS, here and where the farm runs", c.Storage.Outputs)})
	}
	if len(wrong) > 0 {
		return Worker{}, wrong
	}
	w := Of(c, version)
	w.Joined = true
	var err error
	if w.Redis, err = Conn(c.Redis); err != nil {
		return Worker{}, err
	}
	w.Store, w.Slots, w.Scratch = c.Storage.Outputs, c.Fleet.Slots, c.Encode.Scratch
	if w.Slots == 0 {
		w.Slots = runtime.NumCPU()
	}
	if w.Scratch == "" {
		w.Scratch = filepath.Join(c.Data, "joined") // a farm that starts here clears its own folder, "scratch"
	}
	if w.Scratch, err = filepath.Abs(w.Scratch); err != nil {
		return Worker{}, fmt.Errorf("find the folder %s: %w", w.Scratch, err)
	}
	return w, nil
}

// Conn is the Redis that the configuration names.
func Conn(r configs.Redis) (state.Conn, error) {
	c := state.Conn{URL: r.URL}
	if r.PasswordFile != "" {
		password, err := os.ReadFile(r.PasswordFile)
		if err != nil {
			return c, fmt.Errorf("redis.password_file: %w", err)
		}
		c.Password = strings.TrimSpace(string(password))
	}
	return c, nil
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
		return w, nil, fmt.Errorf("no settings on standard input (%w): only `bobine up` starts workers in this way", err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, in) // ends with the pipe, however it ends
	}()
	return w, gone, nil
}

// Package s3d runs a real S3 server on this machine, for tests: versitygw, as
// strict as AWS on signatures, checksums and conditional writes. `make test`
// builds it; it is no part of bobine.
package s3d

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"bobine/provisioner/child"
)

// ErrNotBuilt means that there is no server to run.
var ErrNotBuilt = errors.New("versitygw is not built: run make bin/versitygw")

const grace = 2 * time.Second // for an end in good order

// Options say what the server is to be.
type Options struct {
	Dir string            // an empty folder, which holds the buckets. Nobody else may use it meanwhile
	Log func(line string) // gets what the server says, line by line; nil: nobody
	Env []string          // more variables for it, such as VGW_EVENT_WEBHOOK_URL=…
}

// Server is a running S3 server, reached only from this machine.
type Server struct {
	Endpoint string // URL
	Key      string // of its one account
	Secret   string
	process  *child.Process
	said     *tail
}

// Start runs a server and returns when it answers. It stays until Stop; when
// this process dies, so does it. ErrNotBuilt.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	// Its ports cannot be told to be any that is free: another may take the
	// one that we found so, between finding and using it.
	for try := 1; ; try++ {
		s, err := start(ctx, bin, o)
		if err == nil || try == 3 || ctx.Err() != nil {
			return s, err
		}
	}
}

func start(ctx context.Context, bin string, o Options) (*Server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Endpoint: "http://" + addr, Key: "bobine", Secret: rand.Text(), said: &tail{each: o.Log}}
	cmd := exec.Command(bin, "--port", addr, "--health", "/health", "posix", o.Dir)
	// The secret goes by a variable: other users can read command lines.
	cmd.Env = append(append(os.Environ(), "ROOT_ACCESS_KEY="+s.Key, "ROOT_SECRET_KEY="+s.Secret), o.Env...)
	cmd.Dir = o.Dir
	cmd.Stdout, cmd.Stderr = s.said, s.said
	if s.process, err = child.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", bin, err)
	}
	if err := s.answers(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s in %s: %w; it said:\n%s", bin, o.Dir, err, s.said), s.process.Stop(grace))
	}
	return s, nil
}

// find looks on the PATH, then where make puts it.
func find() (string, error) {
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			if path, err := exec.LookPath(filepath.Join(dir, "bin", "versitygw")); err == nil {
				return path, nil
			}
		}
	}
	return "", ErrNotBuilt
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// answers waits until the server is ready.
func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+"/health", nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(res.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer (%w): %w", err, context.Cause(ctx))
		case <-s.process.Ended():
			return fmt.Errorf("it ended: %w", s.process.Err())
		case <-tick.C:
		}
	}
}

// Env is what a process or a test sets to reach the server by the SDK's chain,
// and nothing else by mistake.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_S3": s.Endpoint, "AWS_ACCESS_KEY_ID": s.Key, "AWS_SECRET_ACCESS_KEY": s.Secret, "AWS_REGION": "us-east-1",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true",
	}
}

// MakeBucket makes an empty bucket.
func (s *Server) MakeBucket(ctx context.Context, name string) error {
	client := s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint, Region: "us-east-1", UsePathStyle: true, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Credentials: credentials.NewStaticCredentialsProvider(s.Key, s.Secret, ""),
	})
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(name)})
	return err
}

// PID is the server's process number, for those who want to kill it.
func (s *Server) PID() int { return s.process.PID }

// Stop ends the server, and returns when it is gone. It may be called twice.
func (s *Server) Stop() error { return s.process.Stop(grace) }

// tail passes lines on and keeps what was said at first.
type tail struct {
	each func(line string)

	mu   sync.Mutex
	said strings.Builder
	part string
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said.Len() < 4096 {
		t.said.Write(p)
	}
	lines := strings.Split(t.part+string(p), "\n")
	t.part = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		if t.each != nil && line != "" {
			t.each(line)
		}
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said.String()
}

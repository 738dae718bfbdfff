package s3

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// lines are the connections of a store. The SDK waits for ever for an S3 that
// is silent, and its own read timeout counts while a slow line still takes
// our bytes: so each line here ends when nothing passes in either direction.
type lines struct {
	silence time.Duration

	mu   sync.Mutex
	open map[*line]bool
}

// client must be the SDK's own kind: it alone heeds AWS_CA_BUNDLE.
func (l *lines) client() *awshttp.BuildableClient {
	dialer := net.Dialer{Timeout: min(l.silence, 10*time.Second), KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithReadTimeout(0).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = 32 // no fewer than requests at a time, or each makes a line anew
		t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			n := &line{Conn: c, of: l}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.open[n] = true
			return n, nil
		}
	})
}

func (l *lines) close() error {
	l.mu.Lock()
	open := l.open
	l.open = map[*line]bool{}
	l.mu.Unlock()
	var errs []error
	for n := range open {
		if err := n.Conn.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type line struct {
	net.Conn
	of *lines
}

func (n *line) Read(b []byte) (int, error) {
	if err := n.SetDeadline(time.Now().Add(n.of.silence)); err != nil {
		return 0, err
	}
	return n.Conn.Read(b)
}

// Write goes in small steps: a large one may take longer than silence is borne.
func (n *line) Write(b []byte) (done int, err error) {
	for done < len(b) && err == nil {
		if err = n.SetDeadline(time.Now().Add(n.of.silence)); err != nil {
			return done, err
		}
		var some int
		some, err = n.Conn.Write(b[done:min(len(b), done+256<<10)])
		done += some
	}
	return done, err
}

func (n *line) Close() error {
	n.of.mu.Lock()
	delete(n.of.open, n)
	n.of.mu.Unlock()
	return n.Conn.Close()
}

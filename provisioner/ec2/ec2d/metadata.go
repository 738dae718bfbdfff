package ec2d

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"bobine/provisioner"
)

// token is what the metadata service gives for a session, and asks for again.
const token = "session"

// Metadata is the URL of the metadata service as the instance itself reaches
// it, until Close: with tokens alone, and with its tags.
func (s *Server) Metadata(id provisioner.InstanceID) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the metadata service of %s: %w", id, err)
	}
	own := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveMetadata(w, r, id) })}
	s.mu.Lock()
	s.services = append(s.services, own)
	s.mu.Unlock()
	go func() {
		if err := own.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the listener was ours alone
		}
	}()
	return "http://" + l.Addr().String(), nil
}

// Warn has the metadata service of a spot instance tell that it will be taken
// away then. That it is, is for Interrupt.
func (s *Server) Warn(id provisioner.InstanceID, at time.Time) {
	s.change(id, func(i *instance) { i.taken = at })
}

// serveMetadata answers an instance. One that ended has nobody to ask.
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request, id provisioner.InstanceID) {
	if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = fmt.Fprint(w, token)
		return
	}
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path, _ := strings.CutPrefix(r.URL.Path, "/latest/meta-data/")
	s.mu.Lock()
	said, ok := "", false
	if i := s.find(string(id)); i != nil && i.ended.IsZero() {
		said, ok = i.says(path)
	}
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = fmt.Fprint(w, said)
}

// says is what the metadata service has under a path.
func (i *instance) says(path string) (said string, ok bool) {
	if key, tag := strings.CutPrefix(path, "tags/instance/"); tag {
		said, ok = i.tags[key]
		return said, ok
	}
	switch path {
	case "instance-id":
		return i.id, true
	case "instance-type":
		return i.pool.Type, true
	case "placement/availability-zone":
		return i.pool.Zone, true
	case "instance-life-cycle":
		return string(i.pool.Market), true
	case "spot/instance-action":
		return fmt.Sprintf(`{"action":"terminate","time":%q}`, i.taken.UTC().Format(time.RFC3339)), !i.taken.IsZero()
	}
	return "", false
}

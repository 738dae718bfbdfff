package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"

	"bobine/cmd/internal/outbound"
	"bobine/queue"
)

// A source that the network keeps from us is waited for; one that its server
// refuses, or that lies where nobody may look, soon fails.
func TestFaultOfSource(t *testing.T) {
	server := httptest.NewServer(nil)
	client := server.Client()
	server.Close()
	_, refused := client.Get(server.URL)
	client.Transport = outbound.Transport(nil)
	_, inner := client.Get(server.URL)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"nobody listens":    {refused, queue.CodeNetwork},
		"an inner address":  {inner, queue.CodeSource},
		"broken off":        {io.ErrUnexpectedEOF, queue.CodeNetwork},
		"stalled":           {errStalled, queue.CodeNetwork},
		"no such name":      {&net.DNSError{IsNotFound: true}, queue.CodeSource},
		"no answer to name": {&net.DNSError{IsTimeout: true}, queue.CodeNetwork},
		"503":               {&answered{"503 Service Unavailable", 503}, queue.CodeNetwork},
		"404":               {&answered{"404 Not Found", 404}, queue.CodeSource},
		"no such file":      {syscall.ENOENT, queue.CodeSource},
		"it changed":        {errors.New("it changed after it was submitted"), queue.CodeSource},
	} {
		if got := faultOf(sourceError(queue.Job{}, fmt.Errorf("ask: %w", c.err))); got.Code != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Code, got.Message, c.want)
		}
	}
}

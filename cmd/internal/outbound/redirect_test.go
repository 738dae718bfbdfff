package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bobine/cmd/internal/outbound"
)

// A server may not lead to an inner host that only others may name.
func TestRedirect(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inner host was asked") }))
	t.Cleanup(inner.Close)
	away := httptest.NewServer(http.RedirectHandler(strings.Replace(inner.URL, "127.0.0.1", "localhost", 1), http.StatusFound))
	t.Cleanup(away.Close)
	allow := []string{"127.0.0.1", "localhost"}
	client := http.Client{Transport: outbound.Transport(allow), CheckRedirect: outbound.Redirect(allow)}
	res, err := client.Get(away.URL)
	if err == nil {
		res.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "a redirect from 127.0.0.1 to localhost, which is an inner host") {
		t.Errorf("it says %v", err)
	}
}

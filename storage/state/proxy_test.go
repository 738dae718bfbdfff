package state_test

import (
	"net/url"
	"testing"

	"bobine/storage/lossy"
	"bobine/storage/state"
)

// startLossy opens a line to a Redis that can lose answers: the server did
// what it was asked, and the client cannot know.
func startLossy(t *testing.T, to state.Conn) (*lossy.Line, state.Conn) {
	t.Helper()
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	line, err := lossy.Start("unix", u.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	return line, state.Conn{URL: "redis://" + line.Addr() + "?pool_size=1", Password: to.Password}
}

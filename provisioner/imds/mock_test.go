package imds_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bobine/provisioner"
	"bobine/provisioner/child"
	"bobine/provisioner/imds"
)

// mock finds AWS's own double of the metadata service: on the PATH, or where
// make puts it.
func mock(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("ec2-metadata-mock"); err == nil {
		return path
	}
	path, err := filepath.Abs("../../bin/ec2-metadata-mock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("ec2-metadata-mock is not built: run make bin/ec2-metadata-mock")
	}
	return path
}

// AWS's own double tells what it is, and that it will be taken away.
func TestMock(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	// It listens on every address unless it is told; only -I has it want
	// tokens, and only with -t the time of its notice stands still.
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	cmd := exec.Command(mock(t), "spot", "-n", "127.0.0.1", "-p", port, "-I", "-d", "2", "--rebalance-delay-sec", "1", "-t", ends.Format(time.RFC3339))
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(time.Second); err != nil {
			t.Error(err)
		}
	})
	c := imds.New(fmt.Sprintf("http://127.0.0.1:%s", port))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	id, err := c.Identity(ctx)
	for ; err != nil && ctx.Err() == nil; id, err = c.Identity(ctx) {
		<-tick.C
	}
	if err != nil || id.Instance == "" || id.Pool.Type == "" || id.Pool.Zone == "" {
		t.Fatalf("%+v, %v: want an instance with type and zone", id, err)
	}
	heard, _ := watch(t, c)
	want := map[provisioner.NoticeKind]provisioner.Notice{
		provisioner.Interruption: {Instance: "i-1", Kind: provisioner.Interruption, At: ends},
		provisioner.Rebalance:    {Instance: "i-1", Kind: provisioner.Rebalance},
	}
	for len(want) > 0 {
		n := next(t, heard)
		if w, ok := want[n.Kind]; !ok || !n.At.Equal(w.At) || n.Instance != w.Instance {
			t.Errorf("%+v, want one of %v", n, want)
		}
		delete(want, n.Kind)
	}
}

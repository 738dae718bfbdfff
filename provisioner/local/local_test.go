package local

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bobine/provisioner"
	"bobine/provisioner/providertest"
)

// workers is a provider whose workers wait for the end of their standard input.
func workers(t *testing.T) *Provider {
	t.Helper()
	p := New(2, func(provisioner.Instance) (*exec.Cmd, []byte, error) {
		return exec.Command("cat"), []byte("{}"), nil
	})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func launch(t *testing.T, p *Provider, token string) provisioner.Instance {
	t.Helper()
	l, err := p.Launch(t.Context(), request(token))
	if err != nil || len(l.Instances) != 1 {
		t.Fatal(l, err)
	}
	return l.Instances[0]
}

func request(token string) provisioner.LaunchRequest {
	return provisioner.LaunchRequest{ID: token, Token: token, Count: 1, Pools: []provisioner.Pool{Pool}, Slots: 2}
}

func list(t *testing.T, p *Provider) []provisioner.Instance {
	t.Helper()
	all, err := p.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestProvider(t *testing.T) {
	providertest.Provider(t, func(t *testing.T) provisioner.Provider { return workers(t) }, providertest.Traits{
		Absent: []provisioner.InstanceID{"never-was", ""},
		Short: func(t *testing.T) (provisioner.Provider, provisioner.LaunchRequest, int) {
			p := New(2, func(i provisioner.Instance) (*exec.Cmd, []byte, error) {
				if i.ID == "a-1" {
					return nil, nil, errors.New("no program")
				}
				return exec.Command("cat"), []byte("{}"), nil
			})
			t.Cleanup(func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
			r := request("a")
			r.Count = 3
			return p, r, 1
		},
	})
}

// A terminated worker is gone when Terminate returns; an absent one is success.
func TestTerminate(t *testing.T) {
	p := workers(t)
	i := launch(t, p, "a")
	launch(t, p, "b")
	for range 2 {
		if err := p.Terminate(t.Context(), i.ID, "never-was"); err != nil {
			t.Fatal(err)
		}
	}
	<-p.Changed()
	if all := list(t, p); len(all) != 1 || all[0].Launch != "b" {
		t.Errorf("%+v, want b alone", all)
	}
}

// A worker gets its settings whole; when it ends by itself it leaves the
// list, and the change is told.
func TestWorkerEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings")
	p := New(2, func(i provisioner.Instance) (*exec.Cmd, []byte, error) {
		return exec.Command("sh", "-c", `read -r line; echo "$line" > "$1"`, "sh", file), []byte(`{"for":"` + i.Launch + `"}`), nil
	})
	launch(t, p, "a")
	<-p.Changed()
	if all := list(t, p); len(all) != 0 {
		t.Errorf("%+v, want none", all)
	}
	if body, err := os.ReadFile(file); err != nil || string(body) != "{\"for\":\"a\"}\n" {
		t.Errorf("settings %q, %v", body, err)
	}
}

// After Close nothing runs and nothing is launched.
func TestClose(t *testing.T) {
	p := workers(t)
	launch(t, p, "a")
	launch(t, p, "b")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Launch(t.Context(), provisioner.LaunchRequest{Token: "c"}); !errors.Is(err, provisioner.ErrNoCapacity) {
		t.Errorf("launch after close: %v", err)
	}
}

// A command that cannot be made or started is an error that names the intent.
func TestLaunchFails(t *testing.T) {
	broken := errors.New("no program")
	p := New(2, func(provisioner.Instance) (*exec.Cmd, []byte, error) { return nil, nil, broken })
	l, err := p.Launch(t.Context(), request("a"))
	if err != nil || len(l.Instances) != 0 || len(l.Failures) != 1 || !errors.Is(l.Failures[0].Err, broken) {
		t.Error(l, err)
	}
	p = New(2, func(provisioner.Instance) (*exec.Cmd, []byte, error) {
		return exec.Command("/no/such/program"), nil, nil
	})
	l, err = p.Launch(t.Context(), request("a"))
	if err != nil || len(l.Instances) != 0 || len(l.Failures) != 1 {
		t.Error("a program that is not there was launched", l, err)
	}
}

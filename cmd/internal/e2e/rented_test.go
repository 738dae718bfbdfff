package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"bobine/cmd/internal/api"
	"bobine/provisioner"
	"bobine/provisioner/child"
	"bobine/provisioner/ec2/ec2d"
	"bobine/storage/s3/s3d"
	"bobine/storage/state"
)

// region is a double of EC2 in which each instance is a process of this test
// binary: it learns which machine it is from its own metadata, and joins the
// farm by the Redis and the bucket of both. What it needs stands in env, so
// that such tests may run beside each other.
type region struct {
	*ec2d.Server
	ledger *state.Ledger
	env    []string // of farms and machines

	mu       sync.Mutex
	machines map[provisioner.InstanceID]*child.Process
	alive    sync.WaitGroup
}

// rented are types and zones that the double has.
var rented = []provisioner.Pool{
	{Type: "c7g.large", Zone: "us-east-1a", Market: provisioner.Spot}, {Type: "c7g.large", Zone: "us-east-1b", Market: provisioner.Spot},
}

// rent makes a region. sees is told of each call to it; nil: nobody.
func rent(t *testing.T, sees func(action string)) *region {
	t.Helper()
	need(t, "ffmpeg", "ffprobe", "redis-server")
	films := buckets(t, s3d.Options{}, "films")
	conn, password := redis(t)
	r := &region{machines: map[provisioner.InstanceID]*child.Process{}}
	var err error
	if r.ledger, err = state.Open(conn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.ledger.Close() })
	r.Server, err = ec2d.Start(ec2d.Options{
		Zones: []string{rented[0].Zone, rented[1].Zone}, Types: map[string]int{rented[0].Type: 2}, Image: "ami-1", Template: "workers",
		Spot:  map[provisioner.Pool]float64{rented[0]: 0.02, rented[1]: 0.0205},
		Boots: func(id provisioner.InstanceID) { r.boots(t, id) }, Ends: r.ends,
		Sees: func(action string, _ map[string][]string) {
			if sees != nil {
				sees(action)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, id := range r.Running() {
			r.PowerOff(id)
		}
		r.alive.Wait()
		_ = r.Close()
	})
	for _, env := range []map[string]string{r.Env(), films.Env()} {
		for k, v := range env {
			r.env = append(r.env, k+"="+v)
		}
	}
	r.env = append(r.env, "GORACE=atexit_sleep_ms=0", "BOBINE_REDIS_URL="+conn.URL, "BOBINE_REDIS_PASSWORD_FILE="+password,
		"BOBINE_STORAGE_OUTPUTS=s3://films/out", "BOBINE_STORAGE_S3_PATH_STYLE=true", "BOBINE_SOURCES_ALLOW_HOSTS=127.0.0.1", "BOBINE_LEASE_BEAT=1s",
		"BOBINE_FLEET_PROVIDER=ec2", "BOBINE_FLEET_EC2_FARM=cinema", "BOBINE_FLEET_EC2_LAUNCH_TEMPLATE=workers", "BOBINE_FLEET_EC2_TYPES="+rented[0].Type)
	return r
}

// boots is what an instance does with its life: it works, and powers itself
// off when its worker left.
func (r *region) boots(t *testing.T, id provisioner.InstanceID) {
	metadata, err := r.Metadata(id)
	if err != nil {
		t.Error(err)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), r.env...), asJoiner+"=1", "BOBINE_DATA="+t.TempDir(),
		"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata)
	cmd.Stderr = os.Stderr
	p, err := child.Start(cmd)
	if err != nil {
		t.Error(err)
		return
	}
	r.mu.Lock()
	r.machines[id] = p
	r.mu.Unlock()
	r.alive.Go(func() { <-p.Ended(); r.PowerOff(id) })
}

// ends is what EC2 does to an instance.
func (r *region) ends(id provisioner.InstanceID) {
	r.mu.Lock()
	p := r.machines[id]
	r.mu.Unlock()
	if p != nil { // else its boot failed, and was told
		go func() { _ = p.Stop(5 * time.Second) }()
	}
}

// running is whose process that of a worker is; "": nobody's.
func (r *region) running(worker string) provisioner.InstanceID {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, p := range r.machines {
		if pidIn(worker) == p.PID {
			return id
		}
	}
	return ""
}

// farm starts a controller that rents there, with more settings.
func (r *region) farm(t *testing.T, more ...string) (*farm, *exec.Cmd) {
	t.Helper()
	data := t.TempDir()
	return spawn(t, data, append(append([]string{settledEnv + "=1", "BOBINE_DATA=" + data, "BOBINE_API_LISTEN=127.0.0.1:0", "BOBINE_PROFILES_DIR=testdata",
		"BOBINE_PROFILE=tiny", "BOBINE_ENCODE_CHUNK=4s", "BOBINE_LEASE_SILENCE=10s", "BOBINE_FLEET_SLOTS=1", "BOBINE_FLEET_MAX=4", "BOBINE_FLEET_HOLD=0s", "BOBINE_FLEET_IDLE=2s"},
		r.env...), more...)...)
}

// serve has a film fetched from this machine.
func serve(t *testing.T, path string) string {
	t.Helper()
	s := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	t.Cleanup(s.Close)
	return s.URL + "/" + filepath.Base(path)
}

// turns has the fleet looked at, again and again, until ok holds.
func (f *farm) turns(t *testing.T, what string, ok func(api.FleetStatus) bool) api.FleetStatus {
	t.Helper()
	var s api.FleetStatus
	var asked time.Time // of the turn that was asked for last
	await(t, what, time.Minute, func(ctx context.Context) bool {
		var err error
		if s, err = f.Client.Fleet(ctx); err != nil {
			return false
		}
		if ok(s) {
			return true
		}
		if s.Seen != nil && s.Seen.After(asked) || time.Since(asked) > 3*time.Second { // a turn waits a second for company
			asked = time.Now()
			if _, err := f.ResumeFleet(ctx); err != nil { // it wakes the controller
				t.Logf("wake the fleet: %v", err)
			}
		}
		return false
	})
	return s
}

package uploads_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"testing"

	"bobine/cmd/internal/api"
	"bobine/cmd/internal/stores"
	"bobine/cmd/internal/uploads"
	"bobine/configs"
	"bobine/queue"
	"bobine/storage/s3/s3d"
	"bobine/storage/state"
	"bobine/storage/state/redisd"
)

// counter is a desk over a real Redis and a real S3 server; got is what it had
// received.
func counter(t *testing.T, got *[]queue.Notice) (*uploads.Desk, *stores.Sources) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	server, err := s3d.Start(t.Context(), s3d.Options{Dir: t.TempDir()})
	if errors.Is(err, s3d.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	if err := server.MakeBucket(t.Context(), "inbox"); err != nil {
		t.Fatal(err)
	}
	redis, err := redisd.Start(context.Background(), redisd.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Stop)
	ledger, err := state.Open(redis.Conn())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ledger.Close() })
	sources := &stores.Sources{S3: configs.S3{PathStyle: true, Checksums: "when_supported"}}
	t.Cleanup(func() { sources.Close() })
	return uploads.New(uploads.Options{
		Ledger: ledger, Own: "house", Bucket: sources.Bucket,
		Partner: func(_ context.Context, name string) (queue.Partner, error) {
			if name != "arte" && name != "other" {
				return queue.Partner{}, queue.ErrNotExist
			}
			return queue.Partner{Name: name, Inbox: []string{"s3://inbox/" + name + "/"}}, nil
		},
		Check: func(_ queue.Partner, profile string, _ map[string]string) *queue.Fault {
			if profile == "imax" {
				return &queue.Fault{Code: "unknown-profile", Message: "there is no profile imax"}
			}
			return nil
		},
		Home: func(_ context.Context, p queue.Partner) (string, string, error) { return "inbox", p.Name, nil },
		Receive: func(_ context.Context, ns []queue.Notice) ([]queue.Receipt, error) {
			*got = append(*got, ns...)
			return []queue.Receipt{{Job: "j1", New: len(*got) == 1}}, nil
		},
		Job: func(_ context.Context, id string) (queue.Job, error) { return queue.Job{ID: id}, nil },
	}), sources
}

func send(t *testing.T, p api.SignedPart, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(res.Body)
		t.Fatalf("part %d: %s %s", p.Part, res.Status, said)
	}
}

func code(err error) string {
	var refused *api.RefusedError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return fmt.Sprint(err)
}

// A film sent in parts, in any order and one part twice, becomes one object
// and one notice, however often it is completed; half of it becomes nothing.
func TestUpload(t *testing.T) {
	var got []queue.Notice
	d, sources := counter(t, &got)
	ctx := t.Context()
	film := bytes.Repeat([]byte("bobine"), 3_000_000) // a part and a bit
	u, err := d.CreateUpload(ctx, "arte", api.UploadRequest{Name: "Jour de fête.mov", Bytes: int64(len(film)), Reference: "spring"})
	if err != nil {
		t.Fatal(err)
	}
	if u.Parts != 2 || u.PartSize != 16<<20 {
		t.Fatalf("the upload is %+v", u)
	}
	parts, err := d.SignParts(ctx, "arte", u.ID, nil)
	if err != nil || len(parts) != 2 {
		t.Fatalf("signed %+v, %v", parts, err)
	}
	second := film[parts[1].First:]
	send(t, parts[1], second)
	if _, err := d.CompleteUpload(ctx, "arte", u.ID); code(err) != "incomplete" || len(got) != 0 {
		t.Errorf("half a film: %v, %d notices", err, len(got))
	}
	left, err := d.SignParts(ctx, "arte", u.ID, nil)
	if err != nil || len(left) != 1 || left[0].Part != 1 || left[0].Bytes != 16<<20 {
		t.Errorf("what is left to send: %+v, %v", left, err)
	}
	send(t, left[0], film[:left[0].Bytes])
	send(t, parts[1], second)
	if state, err := d.Upload(ctx, "arte", u.ID); err != nil || fmt.Sprint(state.Arrived) != "[1 2]" {
		t.Errorf("arrived %+v, %v", state, err)
	}
	for range 2 {
		if j, err := d.CompleteUpload(ctx, "arte", u.ID); err != nil || j.ID != "j1" {
			t.Fatalf("completed: %+v, %v", j, err)
		}
	}
	n := got[0]
	if n.Partner != "arte" || n.Way != queue.ByUpload || n.Bytes != int64(len(film)) || n.ETag == "" || n.Reference != "spring" || got[1].ETag != n.ETag || n.Source != u.Source {
		t.Errorf("noticed %+v", got)
	}
	b, err := sources.Bucket(ctx, "inbox")
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	for o, err := range b.List(ctx, "") {
		if err != nil || o.Bytes != int64(len(film)) {
			t.Errorf("listed %+v, %v", o, err)
		}
		objects++
	}
	if objects != 1 {
		t.Errorf("%d objects, want 1", objects)
	}
}

// A partner sees and sends its own only; what cannot be is refused; what was
// aborted is gone, also the second time.
func TestRefusals(t *testing.T) {
	var got []queue.Notice
	d, _ := counter(t, &got)
	ctx := t.Context()
	for _, name := range []string{"../a.mov", "a/b.mov", "", "a\x00.mov", "..", ".", "a\nb.mov"} {
		if _, err := d.CreateUpload(ctx, "arte", api.UploadRequest{Name: name, Bytes: 1}); code(err) != "bad-name" {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := d.CreateUpload(ctx, "arte", api.UploadRequest{Partner: "other", Name: "a.mov", Bytes: 1}); code(err) != "other-partner" {
		t.Errorf("for another: %v", err)
	}
	if _, err := d.CreateUpload(ctx, "", api.UploadRequest{Partner: "nobody", Name: "a.mov", Bytes: 1}); code(err) != "no-such-partner" {
		t.Errorf("for nobody: %v", err)
	}
	if _, err := d.CreateUpload(ctx, "arte", api.UploadRequest{Name: "a.mov", Bytes: 1, Profile: "imax"}); code(err) != "unknown-profile" {
		t.Errorf("in no profile: %v", err)
	}
	u, err := d.CreateUpload(ctx, "", api.UploadRequest{Partner: "arte", Name: "a.mov", Bytes: 5 << 40})
	if err != nil || u.Parts > 10_000 {
		t.Fatalf("the largest: %+v, %v", u, err)
	}
	if _, err := d.Upload(ctx, "other", u.ID); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("another's upload: %v", err)
	}
	if _, err := d.SignParts(ctx, "arte", u.ID, []int32{u.Parts + 1}); code(err) != "no-such-part" {
		t.Errorf("a part too many: %v", err)
	}
	for range 2 {
		if err := d.AbortUpload(ctx, "arte", u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.CompleteUpload(ctx, "arte", u.ID); !errors.Is(err, queue.ErrNotExist) {
		t.Errorf("completed after the abort: %v", err)
	}
}

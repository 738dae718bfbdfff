package api

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"bobine/queue"
	"bobine/storage"
)

// signing is a store that signs what it was asked for into the URL.
type signing struct{ storage.Store }

func (signing) SignGet(_ context.Context, r storage.Ref, life time.Duration) (string, error) {
	return "https://bucket.example/" + string(r) + "?life=" + life.String(), nil
}

// Of a bucket, single files are signed, and what players open goes by the farm;
// of a folder all goes by the farm.
func TestLinks(t *testing.T) {
	out := &queue.Outputs{
		Root: "outputs/p/j", Master: "outputs/p/j/master.m3u8", Downloads: []string{"outputs/p/j/720p.mp4"},
		Poster: "outputs/p/j/poster.jpg", Record: "outputs/p/j/bobine.json",
	}
	const farm, bucket = "http://127.0.0.1:8080/", "https://bucket.example/"
	for _, c := range []struct {
		store     storage.Store
		outputs   *queue.Outputs
		query     string
		status    int
		from      string // the download's
		signature string
	}{
		{nil, out, "", 200, farm, ""},
		{signing{}, out, "?for_s=7200", 200, bucket, "?life=2h0m0s"},
		{signing{}, out, "", 200, bucket, "?life=1h0m0s"},
		{signing{}, out, "?for_s=604801", 422, "", ""},
		{signing{}, nil, "", 409, "", ""},
	} {
		h := NewHandler(Options{Farm: &fakeFarm{job: queue.Job{ID: "j", Outputs: c.outputs}}, Outputs: c.store, Base: "http://127.0.0.1:8080", Token: token})
		r := call(h, "GET", "/v1/jobs/j/links"+c.query, "")
		body, err := io.ReadAll(r.Body)
		if r.StatusCode != c.status || err != nil {
			t.Errorf("%+v: %d %s, %v", c, r.StatusCode, body, err)
		}
		if c.status != 200 {
			continue
		}
		var l Links
		if err := json.Unmarshal(body, &l); err != nil {
			t.Fatal(err)
		}
		got := map[string]Link{}
		for _, x := range l.Links {
			got[x.What] = x
		}
		if len(l.Links) != 5 || got["play"].URL != farm+"play/j" || got["master"].URL != farm+out.Master || got["master"].Expires != nil {
			t.Errorf("what players open: %s", body)
		}
		for what, ref := range map[string]string{"download": out.Downloads[0], "poster": out.Poster, "record": out.Record} {
			x := got[what]
			if x.URL != c.from+ref+c.signature || (x.Expires == nil) != (c.signature == "") || strings.Contains(x.URL, "master") {
				t.Errorf("%s: %+v", what, x)
			}
		}
	}
}

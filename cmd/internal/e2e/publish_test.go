package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path"
	"testing"

	"bobine/encoder/packaging"
)

// A source that is sent anew becomes a film of its own beside the first. Who
// follows the source finds the new one; who watches the old one goes on.
func TestLatest(t *testing.T) {
	source := film(t, 2, "160x90")
	f := start(t)
	get := func(ref string, into any) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.Base()+"/"+ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if into != nil {
			if err := json.NewDecoder(res.Body).Decode(into); err != nil {
				t.Errorf("%s: %d, %v", ref, res.StatusCode, err)
			}
		}
		return res
	}
	var at string
	var masters []string
	for n := range 2 {
		if n == 1 {
			if err := os.Rename(film(t, 3, "160x90"), source); err != nil {
				t.Fatal(err)
			}
		}
		j := f.done(t, f.submit(t, source).ID)
		if n == 1 && j.Outputs.Latest != at || j.Outputs.Latest == "" {
			t.Errorf("the newest film is led to from %q, before from %q", j.Outputs.Latest, at)
		}
		at = j.Outputs.Latest
		masters = append(masters, j.Outputs.Master)
		var l packaging.Latest
		res := get(at, &l)
		if l.Job != j.ID || path.Join(path.Dir(at), l.Master) != j.Outputs.Master || res.Header.Get("Cache-Control") != "public, max-age=30" {
			t.Errorf("%s leads to %+v, with %v", at, l, res.Header)
		}
	}
	for _, m := range masters {
		if res := get(m, nil); res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d, %v", m, res.StatusCode, res.Header)
		}
	}
}

package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bobine/storage/s3"
)

// bucketRules is as much of an S3 server as keeps a bucket's rules: those that
// run on this machine have none. It keeps what it is sent, byte for byte.
type bucketRules struct {
	kept map[string]string // by query
	puts int
}

func (b *bucketRules) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, absent := range map[string]string{"lifecycle": "NoSuchLifecycleConfiguration", "cors": "NoSuchCORSConfiguration"} {
		if !q.Has(name) {
			continue
		}
		switch r.Method {
		case http.MethodPut:
			body, _ := io.ReadAll(r.Body)
			b.kept[name] = string(body)
			b.puts++
		case http.MethodDelete:
			delete(b.kept, name)
			w.WriteHeader(http.StatusNoContent)
		default:
			if b.kept[name] == "" {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, "<Error><Code>"+absent+"</Code></Error>")
				return
			}
			_, _ = io.WriteString(w, b.kept[name])
		}
		return
	}
	_, _ = io.WriteString(w, "<ListBucketResult></ListBucketResult>")
}

func TestUpkeep(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	b := &bucketRules{kept: map[string]string{
		"lifecycle": `<LifecycleConfiguration><Rule><ID>theirs</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>`,
	}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	s := open(t, s3.Options{Bucket: "films", Prefix: "house", Endpoint: server.URL, PathStyle: true})
	u := s3.Upkeep{OldVersions: 30, Uploads: 2, Scratch: 5, Origins: []string{"https://b.example", "https://a.example"}}
	check := func(u s3.Upkeep, want ...string) {
		t.Helper()
		got, err := s.Check(t.Context(), u)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("it says %q, want %q", got[i], want[i])
			}
		}
	}
	apply := func(u s3.Upkeep, puts int) {
		t.Helper()
		before := b.puts
		if err := s.Apply(t.Context(), u); err != nil || b.puts-before != puts {
			t.Fatalf("%d requests to set rules, want %d; %v", b.puts-before, puts, err)
		}
		check(u)
	}
	check(u, `there is no lifecycle rule "bobine house"`, `no lifecycle rule "bobine house scratch"`, "lets in [], the configuration [https://b.example https://a.example]")
	apply(u, 2)
	apply(u, 0)
	for _, want := range []string{"<ID>theirs</ID>", "<Days>7</Days>", "<Prefix>house/</Prefix>", "<Prefix>house/scratch/</Prefix>", "<Days>5</Days>", "<NoncurrentDays>30</NoncurrentDays>", "<DaysAfterInitiation>2</DaysAfterInitiation>"} {
		if !strings.Contains(b.kept["lifecycle"], want) {
			t.Errorf("%s is missing from %s", want, b.kept["lifecycle"])
		}
	}
	if got := b.kept["cors"]; !strings.Contains(got, "<AllowedMethod>GET</AllowedMethod>") || strings.Contains(got, "PUT") {
		t.Errorf("CORS is %s", got)
	}
	u.Origins[0], u.Origins[1] = u.Origins[1], u.Origins[0]
	check(u)
	other := s3.Upkeep{OldVersions: 31, Uploads: 2}
	check(other, "old versions are to go after 31 days", "the configuration []")
	apply(other, 1)
	if got := b.kept["cors"]; got != "" {
		t.Errorf("CORS is still %s", got)
	}
	b.kept["lifecycle"] = strings.Replace(b.kept["lifecycle"], "<NoncurrentDays>31", "<NoncurrentDays>1", 1)
	check(other, "is another than the configuration's")
	b.kept["lifecycle"] = strings.Replace(b.kept["lifecycle"], "<NoncurrentDays>1", "<NoncurrentDays>31", 1)
	if parts := strings.Split(b.kept["lifecycle"], "<ID>bobine house</ID>"); len(parts) == 2 {
		b.kept["lifecycle"] = parts[0] + "<ID>bobine house</ID><Expiration><Days>1</Days></Expiration>" + parts[1]
	}
	check(other, "is another than the configuration's")
}

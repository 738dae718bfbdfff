package packaging_test

import (
	"encoding/json"
	"path"
	"testing"
	"time"

	"bobine/encoder/packaging"
	"bobine/queue"
)

// In whatever order the films of a source are published, and however often,
// the newest is led to in the end.
func TestLead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	film := func(id string, after time.Duration) (queue.Job, queue.Outputs) {
		j := queue.Job{ID: id, Partner: "arte", Key: "spring", Profile: "web", Created: at.Add(after)}
		root := j.Root()
		return j, queue.Outputs{Root: root, Master: root + "/master.m3u8", Downloads: []string{root + "/720p.mp4"}, Record: root + "/bobine.json"}
	}
	for _, order := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}, {"b", "c", "a", "c", "b"}} {
		there := []byte("what nobody can read")
		for _, id := range order {
			j, out := film(id, time.Duration(map[string]int{"a": 0, "b": 1, "c": 1}[id])*time.Hour)
			next, err := packaging.Lead(there, j, out)
			if err != nil {
				t.Fatal(err)
			}
			if next != nil {
				there = next
			}
			if again, err := packaging.Lead(there, j, out); again != nil || err != nil {
				t.Errorf("%v: a second time %s makes %s, %v", order, id, again, err)
			}
		}
		var l packaging.Latest
		if err := json.Unmarshal(there, &l); err != nil || l.Job != "c" {
			t.Fatalf("%v: %s, %v", order, there, err)
		}
		j, out := film("c", 0)
		if got := path.Join(path.Dir(j.Latest()), l.Master); got != out.Master {
			t.Errorf("the master playlist is said to lie at %s", got)
		}
		if got := path.Join(path.Dir(j.Latest()), l.Downloads[0]); got != out.Downloads[0] {
			t.Errorf("the download is said to lie at %s", got)
		}
	}
}

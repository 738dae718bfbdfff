package packaging

import (
	"encoding/json"
	"path"
	"reflect"
	"time"

	"bobine/queue"
)

// Latest leads to the newest published film of a source: a small file in a
// place of its own (see queue.Job.Latest), which is replaced when a newer job
// of that source is published. Paths are relative to where it lies.
type Latest struct {
	Schema     int       `json:"schema"` // 1
	Job        string    `json:"job"`
	Title      string    `json:"title"`
	Profile    string    `json:"profile"`
	Created    time.Time `json:"created"`          // when the job was accepted: of two, the later one is the newer
	Master     string    `json:"master,omitempty"` // HLS
	Manifest   string    `json:"manifest,omitempty"`
	Poster     string    `json:"poster,omitempty"`
	Storyboard string    `json:"storyboard,omitempty"`
	Downloads  []string  `json:"downloads,omitempty"`
	Record     string    `json:"record"` // bobine.json
}

const latestSchema = 1

// Lead makes what is to lie at j.Latest() once j is published as out; nil:
// what lies there leads to j as it should, or to a newer film. What cannot be
// read is replaced.
func Lead(old []byte, j queue.Job, out queue.Outputs) ([]byte, error) {
	l := latest(j, out)
	var there Latest
	if json.Unmarshal(old, &there) == nil && there.Schema > 0 {
		newer := there.Created.Compare(j.Created)
		switch {
		case there.Job == j.ID && (there.Schema > latestSchema || reflect.DeepEqual(there, l)):
			return nil, nil
		case there.Job != j.ID && (newer > 0 || newer == 0 && there.Job > j.ID):
			return nil, nil
		}
	}
	return json.MarshalIndent(l, "", "  ")
}

func latest(j queue.Job, out queue.Outputs) Latest {
	to := func(ref string) string {
		if ref == "" {
			return ""
		}
		return path.Join("..", path.Base(out.Root), ref[len(out.Root)+1:])
	}
	l := Latest{
		Schema: latestSchema, Job: j.ID, Title: j.Title, Profile: j.Profile, Created: j.Created.UTC(),
		Master: to(out.Master), Manifest: to(out.Manifest), Poster: to(out.Poster), Storyboard: to(out.Storyboard), Record: to(out.Record),
	}
	for _, d := range out.Downloads {
		l.Downloads = append(l.Downloads, to(d))
	}
	return l
}

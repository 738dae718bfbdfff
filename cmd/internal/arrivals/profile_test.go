package arrivals

import (
	"testing"

	"bobine/queue"
)

// What was told with a profile is not made again in the partner's own when a
// sweep, an event or a queue tells that it lies there; nor is a whole inbox
// when that profile changes. Who asks for another profile gets another job.
func TestFoundInAnyProfile(t *testing.T) {
	ledger, store, lies, clock := startLedger(t), startStore(t), &objects{}, &clock{now: noon}
	const film = "s3://in/arte/film.mov"
	lies.put(film, queue.Origin{Mark: "e1", Bytes: 7})
	o := options(ledger, store, book{"arte": nil}, lies, clock)
	d, stop := open(t, o)
	tell := func(d *Desk, way queue.Way, etag, profile string) queue.Receipt {
		t.Helper()
		r, err := d.Receive(t.Context(), []queue.Notice{{Partner: "arte", Way: way, Source: film, ETag: etag, Profile: profile}})
		if err != nil || r[0].Refused != nil {
			t.Fatalf("%v, %+v", err, r)
		}
		return r[0]
	}
	first := tell(d, queue.ByHook, "e1", "cinema")
	for _, way := range finds {
		if r := tell(d, way, "e1", ""); r.Job != first.Job || r.New {
			t.Errorf("%s made %+v of what job %s is of", way, r, first.Job)
		}
	}
	for _, profile := range []string{"trailer", ""} {
		if r := tell(d, queue.ByHook, "e1", profile); !r.New {
			t.Errorf("another profile, %q, was asked for: %+v", profile, r)
		}
	}
	second := tell(d, queue.BySweep, "e2", "")
	if !second.New {
		t.Errorf("another content: %+v", second)
	}
	stop()
	o.Profile = "web2"
	d, _ = open(t, o)
	if r := tell(d, queue.BySweep, "e2", ""); r.Job != second.Job || r.New {
		t.Errorf("after the profile changed %+v, before %+v", r, second)
	}
}

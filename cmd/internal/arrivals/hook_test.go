package arrivals

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage/state"
)

// gate is a farm's hook as a partner meets it.
type gate struct {
	t       *testing.T
	handler http.Handler
	ledger  *state.Ledger
	clock   *clock
	objects *objects
	fate    *fate
	secret  string
	log     bytes.Buffer
}

func newGate(t *testing.T) *gate {
	g := &gate{t: t, ledger: startLedger(t), clock: &clock{now: noon}, objects: &objects{}, fate: &fate{}, secret: ingest.NewSecret()}
	o := options(mortalLedger{g.ledger, g.fate}, startStore(t), book{"arte": {ingest.NewSecret(), g.secret}, "mubi": {ingest.NewSecret()}, "mute": nil}, g.objects, g.clock)
	o.Log = slog.New(slog.NewTextHandler(&g.log, nil))
	o.Check = func(profile string, _ map[string]string) *queue.Fault {
		if profile != "web" {
			return &queue.Fault{Code: "unknown-profile", Message: "there is no profile " + profile}
		}
		return nil
	}
	d, _ := open(t, o)
	g.handler = api.NewHandler(api.Options{Hooks: d, Base: "http://127.0.0.1", Token: "t", Log: o.Log})
	return g
}

// reply is the answer to a delivery.
type reply struct {
	status int
	header http.Header
	text   string
	Job    string
	Jobs   []api.ToldJob
	Errors []struct{ Location, Message string }
}

func (g *gate) post(partner, body string, h http.Header) reply {
	g.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://films.example.com/v1/hooks/"+partner, strings.NewReader(body))
	r.Header = h
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), text: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		g.t.Fatalf("%d, not JSON: %s", w.Code, out.text)
	}
	return out
}

// signed posts what the partner arte signed.
func (g *gate) signed(id, body string) reply {
	g.t.Helper()
	return g.post("arte", body, g.sign(g.secret, id, body))
}

func (g *gate) sign(secret, id, body string) http.Header {
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		g.t.Fatal(err)
	}
	signature, err := w.Sign(id, g.clock.Now(), []byte(body))
	if err != nil {
		g.t.Fatal(err)
	}
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {fmt.Sprint(g.clock.Now().Unix())}, "Webhook-Signature": {signature}}
}

func (g *gate) jobs() []queue.Job {
	g.t.Helper()
	jobs, err := g.ledger.Jobs(context.Background(), state.Filter{})
	if err != nil {
		g.t.Fatal(err)
	}
	return jobs
}

func TestHookAnswers(t *testing.T) {
	g := newGate(t)
	const film = `{"source":"s3://in/arte/a.mov","title":"Le Jour","reference":"spring","deadline":"4h"}`
	first := g.signed("m1", film)
	if first.status != 202 || first.Job == "" || !first.Jobs[0].New {
		t.Fatalf("a new film: %d %s", first.status, first.text)
	}
	j := g.jobs()[0]
	if j.ID != first.Job || j.Title != "Le Jour" || j.Reference != "spring" || !j.Deadline.Equal(noon.Add(4*time.Hour)) || j.Await == nil || j.Way != queue.ByHook {
		t.Errorf("the job is %+v", j)
	}
	if again := g.signed("m1", film); again.status != 200 || again.Job != first.Job {
		t.Errorf("the same delivery again: %d %s", again.status, again.text)
	}
	if other := g.signed("m1", strings.Replace(film, "Jour", "Soir", 1)); other.status != 409 || other.Errors[0].Location != "header.webhook-id" {
		t.Errorf("the same id with another body: %d %s", other.status, other.text)
	}
	if told := g.signed("m2", film); told.status != 200 || told.Job != first.Job {
		t.Errorf("the same film in another delivery: %d %s", told.status, told.text)
	}
	g.clock.add(5 * time.Hour) // past the deadline that it names
	late := strings.Replace(film, `"4h"`, `"2026-03-14T16:00:00Z"`, 1)
	if told := g.signed("m3", late); told.status != 200 || told.Job != first.Job {
		t.Errorf("the same film after its deadline: %d %s", told.status, told.text)
	}
	if told := g.signed("m4", strings.Replace(late, "a.mov", "b.mov", 1)); told.status != 422 || told.Errors[0].Location != "body.deadline" {
		t.Errorf("a new film after its deadline: %d %s", told.status, told.text)
	}
	if told := g.signed("m5", `{"Service":"Amazon S3","Event":"s3:TestEvent"}`); told.status != 200 || len(told.Jobs) != 0 {
		t.Errorf("a test event: %d %s", told.status, told.text)
	}
	if n := len(g.jobs()); n != 1 {
		t.Errorf("%d jobs were made of one film", n)
	}
}

func TestHookRefuses(t *testing.T) {
	g := newGate(t)
	const film = `{"source":"s3://in/arte/a.mov"}`
	good := func(id string) http.Header { return g.sign(g.secret, id, film) }
	old := good("old")
	g.clock.add(10 * time.Minute)
	long := good("long")
	long.Set("webhook-signature", strings.Repeat("v1,AAAA ", 2000)+long.Get("webhook-signature"))
	cut := good("cut")
	cut.Set("webhook-signature", cut.Get("webhook-signature")[:20])
	for name, c := range map[string]struct {
		partner, body string
		h             http.Header
		status        int
	}{
		"no signature":          {"arte", film, http.Header{}, 401},
		"too old":               {"arte", film, old, 401},
		"a list too long":       {"arte", film, long, 401},
		"cut":                   {"arte", film, cut, 401},
		"another body":          {"arte", film + " ", good("x"), 401},
		"another partner's":     {"mubi", film, good("x"), 401},
		"nobody's":              {"nobody", film, good("x"), 401},
		"of one without secret": {"mute", film, good("x"), 401},
		"a token":               {"arte", film, http.Header{"Authorization": {"Bearer " + g.secret}}, 202},
		"too long a body":       {"arte", `{"source":"` + strings.Repeat("a", ingest.MaxBody) + `"}`, http.Header{}, 413},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.post(c.partner, c.body, c.h)
			if r.status != c.status || strings.Contains(r.text, "whsec_M") || strings.Contains(r.text, g.secret) {
				t.Errorf("%d %s", r.status, r.text)
			}
			if r.status == 401 && r.header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
	if a, b := g.post("arte", film, cut), g.post("nobody", film, cut); a.text != b.text || a.status != b.status {
		t.Errorf("a partner answers %s, a stranger %s", a.text, b.text)
	}
	for name, c := range map[string]struct{ body, location, says string }{
		"another's prefix":        {`{"source":"s3://in/mubi/a.mov"}`, "body.source", "not among the sources"},
		"a prefix alike":          {`{"source":"s3://in/arte-secret/a.mov"}`, "body.source", "not among the sources"},
		"another bucket":          {`{"source":"s3://out/arte/a.mov"}`, "body.source", "not among the sources"},
		"dots":                    {`{"source":"s3://in/arte/../mubi/a.mov"}`, "body.source", `".."`},
		"the metadata service":    {`{"source":"https://169.254.169.254/latest/meta-data"}`, "body.source", "inner address"},
		"the same in IPv6":        {`{"source":"https://[::ffff:169.254.169.254]/latest"}`, "body.source", "inner address"},
		"a private address":       {`{"source":"https://10.0.0.1/a.mov"}`, "body.source", "inner address"},
		"plain HTTP":              {`{"source":"http://films.example.com/a.mov"}`, "body.source", "not among the sources"},
		"a file":                  {`{"source":"file:///etc/passwd"}`, "body.source", "not among the sources"},
		"a NUL":                   {`{"source":"s3://in/arte/a%00.mov"}`, "body.source", "control"},
		"a key too long":          {`{"source":"s3://in/arte/` + strings.Repeat("a", 1024) + `"}`, "body.source", "1024"},
		"an unknown profile":      {`{"source":"s3://in/arte/new.mov","profile":"best"}`, "body.profile", "best"},
		"a bomb":                  {`{"source":` + strings.Repeat("[", 60000) + `}`, "body", "JSON"},
		"an event out of bounds":  {`{"Records":[{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"in"},"object":{"key":"mubi/a.mov","eTag":"1"}}}]}`, "body.source", "not among"},
		"an event with bad types": {`{"Records":[{"eventVersion":2}]}`, "body.Records", "number"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.signed(strings.ReplaceAll(name, " ", "-"), c.body)
			if r.status != 422 || len(r.Errors) != 1 || r.Errors[0].Location != c.location || !strings.Contains(r.Errors[0].Message, c.says) {
				t.Errorf("%d %s", r.status, r.text)
			}
		})
	}
	if n := len(g.jobs()); n != 1 {
		t.Errorf("%d jobs, only the one of the token was right", n)
	}
	if said := g.log.String(); strings.Contains(said, g.secret) || strings.Contains(said, "whsec_") {
		t.Errorf("the log has a secret: %s", said)
	}
}

func TestHookNeverLies(t *testing.T) {
	g := newGate(t)
	g.fate.mu.Lock()
	g.fate.dead = true
	g.fate.mu.Unlock()
	r := g.signed("m1", `{"source":"s3://in/arte/a.mov"}`)
	if r.status != 503 || r.header.Get("Retry-After") == "" || strings.Contains(r.text, errKilled.Error()) {
		t.Errorf("with the ledger away: %d %v %s", r.status, r.header, r.text)
	}
	g.fate.mu.Lock()
	g.fate.dead = false
	g.fate.mu.Unlock()
	if r := g.signed("m1", `{"source":"s3://in/arte/a.mov"}`); r.status != 202 {
		t.Errorf("when it is back: %d %s", r.status, r.text)
	}
}

func TestHookOfTusd(t *testing.T) {
	g := newGate(t)
	post := func(kind, meta, more string) reply {
		body := `{"Type":"` + kind + `","Event":{"Upload":{"ID":"24e5","Size":7,"MetaData":{` + meta + `},` + more + `}}}`
		return g.post("arte", body, http.Header{"Authorization": {"Bearer " + g.secret}})
	}
	if r := post("pre-create", `"filename":"a.mov"`, `"Storage":null`); r.status != 200 || r.text != "{}" {
		t.Errorf("an upload that may begin: %d %s", r.status, r.text)
	}
	for _, meta := range []string{`"profile":"best"`, `"deadline":"2020-01-01T00:00:00Z"`, `"deadline":"soon"`} {
		if r := post("pre-create", meta, `"Storage":null`); r.status != 200 || !strings.Contains(r.text, `"RejectUpload":true`) {
			t.Errorf("an upload of %s: %d %s", meta, r.status, r.text)
		}
	}
	const storage = `"Storage":{"Type":"s3store","Bucket":"in","Key":"arte/24e5"}`
	first := post("post-finish", `"filename":"Le Jour.mov"`, storage)
	if first.status != 202 || g.jobs()[0].Title != "Le Jour" {
		t.Errorf("an upload that ended: %d %s", first.status, first.text)
	}
	if r := post("post-finish", `"filename":"Le Jour.mov"`, storage); r.status != 200 || r.Job != first.Job {
		t.Errorf("it ended twice: %d %s", r.status, r.text)
	}
	if r := post("post-finish", ``, `"IsPartial":true,`+storage); r.status != 200 || len(r.Jobs) != 0 {
		t.Errorf("a part: %d %s", r.status, r.text)
	}
}

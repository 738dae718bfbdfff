package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"bobine/queue"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// event is one of S3's own, as its documentation shows it.
func event(version, name, bucket, key, more string) string {
	return fmt.Sprintf(`{"eventVersion":%q,"eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"2026-03-14T12:00:00.000Z","eventName":%q,
	"userIdentity":{"principalId":"A"},"requestParameters":{"sourceIPAddress":"172.16.0.1"},"responseElements":{"x-amz-request-id":"C3"},
	"s3":{"s3SchemaVersion":"1.0","configurationId":"films","bucket":{"name":%q,"ownerIdentity":{"principalId":"A"},"arn":"arn:aws:s3:::in"},
	"object":{"key":%q,"size":1024,"eTag":"d41d8cd9","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}%s}`,
		version, name, bucket, key, more)
}

func message(all ...string) string { return `{"Records":[` + strings.Join(all, ",") + `]}` }

func text(s string) string { b, _ := json.Marshal(s); return string(b) }

func created(key string) string { return message(event("2.1", "ObjectCreated:Put", "in", key, "")) }

var versityEvent = strings.Replace(created("é a+b%20.mov"), `"films"`, `"webhook-global"`, 1)

const bridge = `{"version":"0","id":"17793124","detail-type":%q,"source":"aws.s3","account":"111122223333","time":"2026-03-14T12:00:00Z","region":"ca-central-1",
	"resources":["arn:aws:s3:::in"],"detail":{"version":"0","bucket":{"name":"in"},"object":{"key":"a b+c.mov","size":5,"etag":"b1946ac9","version-id":"IYV3p45B","sequencer":"617f08299329d189"},
	"request-id":"N4N7","requester":"1234","source-ip-address":"1.2.3.4","reason":"PutObject"}}`

func TestParseSources(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string // sources
	}{
		"ours":                      {`{"source":"s3://in/acme/a%20b.mov"}`, []string{"s3://in/acme/a%20b.mov"}},
		"ours, over-encoded":        {`{"source":"s3://in/acme%2Fa%2bb.mov"}`, []string{"s3://in/acme/a+b.mov"}},
		"ours, by https":            {`{"source":"https://CDN.example.com/a.mov?sig=1#part"}`, []string{"https://cdn.example.com/a.mov?sig=1"}},
		"S3":                        {created("acme/a+b%2Bc%C3%A9.mov"), []string{"s3://in/acme/a%20b+c%C3%A9.mov"}},
		"S3, later minor version":   {message(event("2.6", "ObjectCreated:CompleteMultipartUpload", "in", "a", "")), []string{"s3://in/a"}},
		"S3, two and a removal":     {message(event("2.1", "ObjectCreated:Copy", "in", "a", ""), event("2.1", "ObjectRemoved:Delete", "in", "b", ""), event("2.1", "ObjectCreated:Post", "in", "c", "")), []string{"s3://in/a", "s3://in/c"}},
		"S3, a folder":              {created("acme/films/"), nil},
		"S3, a stray per cent":      {created("100%.mov"), []string{"s3://in/100%25.mov"}},
		"S3, slashes":               {created("%2Fa%2F%2Fb"), []string{"s3://in//a//b"}},
		"S3's test":                 {`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-03-14T12:00:00.000Z","Bucket":"in","RequestId":"5","HostId":"8"}`, nil},
		"MinIO":                     {`{"EventName":"s3:ObjectCreated:Put","Key":"in/a b.mov",` + strings.TrimPrefix(message(event("2.0", "s3:ObjectCreated:Put", "in", "a+b.mov", `,"source":{"host":"::1","port":"","userAgent":"x"}`)), "{"), []string{"s3://in/a%20b.mov"}},
		"Versity":                   {versityEvent, []string{"s3://in/%C3%A9%20a+b%2520.mov"}},
		"EventBridge":               {fmt.Sprintf(bridge, "Object Created"), []string{"s3://in/a%20b+c.mov"}},
		"EventBridge, a removal":    {fmt.Sprintf(bridge, "Object Deleted"), nil},
		"SQS":                       {`{"MessageId":"1","ReceiptHandle":"x","Body":` + text(created("a")) + `}`, []string{"s3://in/a"}},
		"SNS in SQS":                {`{"Body":` + text(`{"Type":"Notification","TopicArn":"arn","Message":`+text(created("a"))+`}`) + `}`, []string{"s3://in/a"}},
		"EventBridge in SQS":        {`{"Body":` + text(fmt.Sprintf(bridge, "Object Created")) + `}`, []string{"s3://in/a%20b+c.mov"}},
		"tusd, S3":                  {tusHook("post-finish", `"Storage":{"Type":"s3store","Bucket":"in","Key":"up/24e5"}`), []string{"s3://in/up/24e5"}},
		"tusd, files":               {tusHook("post-finish", `"Storage":{"Type":"filestore","Path":"/srv/up/24 e5","InfoPath":"/srv/up/24e5.info"}`), []string{"file:///srv/up/24%20e5"}},
		"tusd, a part":              {tusHook("post-finish", `"IsPartial":true,"Storage":{"Type":"filestore","Path":"/srv/up/1"}`), nil},
		"tusd, progress":            {tusHook("post-receive", `"Storage":{"Type":"filestore","Path":"/srv/up/1"}`), nil},
		"tusd, to come":             {tusHook("pre-create", `"Storage":null`), nil},
		"no version for file marks": {`{"source":"file:///srv/in/a.mov","parameters":{"crf":"20"}}`, []string{"file:///srv/in/a.mov"}},
	} {
		t.Run(name, func(t *testing.T) {
			told, err := Parse([]byte(c.body), noon)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range told.Notices {
				got = append(got, n.Source)
				again, err := Source(n.Source)
				if err != nil || again != n.Source {
					t.Errorf("%q is spelt %q the second time (%v)", n.Source, again, err)
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func tusHook(kind, more string) string {
	return `{"Type":"` + kind + `","Event":{"Upload":{"ID":"24e533e","Size":46205,"SizeIsDeferred":false,"Offset":46205,"MetaData":{"filename":"Le Jour.mov","reference":"spring","deadline":"4h"},"IsFinal":false,"PartialUploads":null,` +
		more + `},"HTTPRequest":{"Method":"PATCH","URI":"/files/24e533e","RemoteAddr":"127.0.0.1:3","Header":{"Host":["localhost"]}}}}`
}

func TestParseFields(t *testing.T) {
	told, err := Parse([]byte(`{"source":"s3://in/a","reference":"spring","title":"Le Jour","profile":"web","deadline":"2026-03-15T12:00:00Z","parameters":{"crf":"20"}}`), noon)
	if err != nil {
		t.Fatal(err)
	}
	want := queue.Notice{Way: queue.ByHook, Source: "s3://in/a", Reference: "spring", Title: "Le Jour", Profile: "web",
		Deadline: noon.Add(24 * time.Hour), Params: map[string]string{"crf": "20"}}
	if !reflect.DeepEqual(told.Notices[0], want) {
		t.Errorf("got %+v", told.Notices[0])
	}
	told, err = Parse([]byte(created("a")), noon)
	if err != nil {
		t.Fatal(err)
	}
	want = queue.Notice{Way: queue.ByS3, Source: "s3://in/a", Bytes: 1024, ETag: "d41d8cd9", VersionID: "096fKKXTRTtl3on89fVO.nfljtsv6qko",
		Sequencer: "0055AED6DCD90281E5", Modified: noon}
	if !reflect.DeepEqual(told.Notices[0], want) {
		t.Errorf("got %+v", told.Notices[0])
	}
	told, err = Parse([]byte(tusHook("post-finish", `"Storage":{"Type":"s3store","Bucket":"in","Key":"k"}`)), noon)
	if err != nil {
		t.Fatal(err)
	}
	want = queue.Notice{Way: queue.ByTus, Source: "s3://in/k", Bytes: 46205, Title: "Le Jour", Reference: "spring", Deadline: noon.Add(4 * time.Hour)}
	if !reflect.DeepEqual(told.Notices[0], want) {
		t.Errorf("got %+v", told.Notices[0])
	}
	told, err = Parse([]byte(versityEvent), noon)
	if err != nil || told.Notices[0].Sequencer != "" {
		t.Errorf("a gateway's own count is taken for an order: %+v, %v", told, err)
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return `{"source":"s3://in/a"` + b.String() + `}`
	}
	for name, c := range map[string]struct {
		body string
		want []string // each in the text
	}{
		"nothing":                  {``, []string{"not JSON"}},
		"no object":                {`[]`, []string{"not a JSON object"}},
		"null":                     {`null`, []string{"not a JSON object"}},
		"half":                     {`{"source":"s3://in/a"`, []string{"body"}},
		"more than one":            {`{"source":"s3://in/a"}{}`, []string{"not JSON"}},
		"not UTF-8":                {"{\"source\":\"s3://in/\xff\"}", []string{"not UTF-8"}},
		"twice the same":           {`{"source":"s3://in/a","source":"s3://in/b"}`, []string{`"source" twice`}},
		"twice, spelt otherwise":   {`{"source":"s3://in/a","Source":"s3://in/b"}`, []string{`"Source" twice`}},
		"twice, deep inside":       {strings.Replace(created("a"), `"size":1024`, `"key":"b"`, 1), []string{`"key" twice`}},
		"a bottomless list":        {`{"source":` + deep + `}`, []string{"depth"}},
		"a bottomless list of S3":  {`{"Records":` + deep + `}`, []string{"depth"}},
		"too deep":                 {`{"source":` + deep[9980:10020] + `}`, []string{"16 levels"}},
		"a crowd of keys":          {many(20000)[:MaxBody-1], []string{"body"}},
		"too many keys":            {many(200), []string{"more than 100 keys"}},
		"too long":                 {`{"source":"` + strings.Repeat("a", MaxBody) + `"}`, []string{"longer than"}},
		"every field":              {`{"source":"gopher://x","title":7,"profil":"web","deadline":"soon","reference":"a\u0000","parameters":[1]}`, []string{"body.source", "body.title", "body.profil:", "body.deadline", "body.reference", "body.parameters"}},
		"no source":                {`{"title":"x"}`, []string{"body.source: is missing"}},
		"a title too long":         {`{"source":"s3://in/a","title":"` + strings.Repeat("é", 301) + `"}`, []string{"body.title"}},
		"a password":               {`{"source":"https://me:secret@host/a"}`, []string{"password"}},
		"dots":                     {`{"source":"s3://in/acme/../other/a"}`, []string{`".."`}},
		"dots, encoded":            {`{"source":"s3://in/acme/%2e%2e/other/a"}`, []string{`".."`}},
		"dots in https":            {`{"source":"https://host/acme/..%2fother/a"}`, []string{`".."`}},
		"a NUL":                    {`{"source":"s3://in/a%00b"}`, []string{"control"}},
		"a long key":               {`{"source":"s3://in/` + strings.Repeat("a", 1025) + `"}`, []string{"1025 bytes"}},
		"a key that is not UTF-8":  {`{"source":"s3://in/%ff"}`, []string{"UTF-8"}},
		"a query on S3":            {`{"source":"s3://in/a?versionId=1"}`, []string{"%3F"}},
		"no key":                   {`{"source":"s3://in/"}`, []string{"names no key"}},
		"a host in a file":         {`{"source":"file://host/a"}`, []string{"file:///an/absolute/path"}},
		"S3, dots":                 {created("acme/../b"), []string{"Records[0].s3.object.key", `".."`}},
		"S3, a NUL":                {created("a%00"), []string{"control"}},
		"S3, a long key":           {created(strings.Repeat("a", 1025)), []string{"1025 bytes"}},
		"S3, no bucket":            {message(event("2.1", "ObjectCreated:Put", "", "a", "")), []string{"bucket"}},
		"S3, a strange bucket":     {message(event("2.1", "ObjectCreated:Put", "in@evil", "a", "")), []string{"bucket"}},
		"S3, another major":        {message(event("3.0", "ObjectCreated:Put", "in", "a", "")), []string{"eventVersion"}},
		"S3, a key of numbers":     {strings.Replace(created("a"), `"key":"a"`, `"key":7`, 1), []string{"Key is a number"}},
		"SQS, no JSON inside":      {`{"Body":"hello"}`, []string{"not JSON"}},
		"SQS, dolls":               {`{"Body":` + text(`{"Body":`+text(`{"Body":`+text(`{"Body":"{}"}`)+`}`)+`}`) + `}`, []string{"body"}},
		"tusd, an unknown store":   {tusHook("post-finish", `"Storage":{"Type":"gcsstore"}`), []string{"Storage"}},
		"tusd, a path out of root": {tusHook("post-finish", `"Storage":{"Type":"filestore","Path":"up/../../etc/passwd"}`), []string{"absolute"}},
		"tusd, metadata":           {strings.Replace(tusHook("pre-create", `"Storage":null`), `"4h"`, `"never"`, 1), []string{"MetaData.deadline"}},
	} {
		t.Run(name, func(t *testing.T) {
			told, err := Parse([]byte(c.body), noon)
			var m *Malformed
			if !errors.As(err, &m) {
				t.Fatalf("got %+v, %v", told, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if len(err.Error()) > 1000 || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("not one clear line: %q", err)
			}
		})
	}
}

func TestRefusalFitsTusd(t *testing.T) {
	for _, why := range []string{"no", strings.Repeat("\x01", 9000), strings.Repeat("é\"\\", 5000)} {
		answer := Refusal(why)
		var got struct {
			RejectUpload bool
			HTTPResponse struct {
				StatusCode int
				Body       string
				Header     map[string]string
			}
		}
		if err := json.Unmarshal(answer, &got); err != nil {
			t.Fatal(err)
		}
		if len(answer) > 5<<10 || !got.RejectUpload || got.HTTPResponse.StatusCode != 422 || !json.Valid([]byte(got.HTTPResponse.Body)) {
			t.Errorf("%d bytes: %s", len(answer), answer)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(created("a+b")))
	f.Add([]byte(tusHook("post-finish", `"Storage":{"Type":"s3store","Bucket":"in","Key":"k"}`)))
	f.Add([]byte(`{"source":"https://h/%2f..","parameters":{"a":"b"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if members, err := object(body); err == nil {
			var want map[string]json.RawMessage
			if err := json.Unmarshal(body, &want); err != nil || len(want) != len(members) {
				t.Fatalf("got %q, want %q (%v)", members, want, err)
			}
			for k, v := range want {
				if string(v) != string(members[k]) {
					t.Errorf("%q is %q, want %q", k, members[k], v)
				}
			}
		}
		told, err := Parse(body, noon)
		if err != nil {
			return
		}
		for _, n := range told.Notices {
			if again, err := Source(n.Source); err != nil || again != n.Source {
				t.Errorf("%q is spelt %q the second time (%v)", n.Source, again, err)
			}
		}
	})
}

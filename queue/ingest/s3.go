package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"bobine/queue"
)

// S3Notices reads a message of S3's event notifications, as S3 itself, MinIO
// or Versity's gateway write them, bare or inside an envelope of SQS, SNS or
// EventBridge. A message that tells of no new object gives none. Partner is
// the caller's to fill. *Malformed.
func S3Notices(text []byte) ([]queue.Notice, error) {
	top, err := object(text)
	if err != nil {
		return nil, err
	}
	return s3(text, top, 0)
}

// s3Keys are those by which S3's shapes are known.
var s3Keys = []string{"Records", "detail-type", "Event", "Body", "body", "Message"}

// maxEnvelopes are those around a message: EventBridge in SNS in SQS.
const maxEnvelopes = 3

func s3(text []byte, top map[string]json.RawMessage, envelopes int) ([]queue.Notice, error) {
	if _, ok := top["Records"]; ok {
		return records(text)
	}
	if _, ok := top["detail-type"]; ok {
		return bridged(text)
	}
	if string(top["Event"]) == `"s3:TestEvent"` {
		return nil, nil // the first message of every new set-up
	}
	for _, key := range []string{"Body", "body", "Message"} {
		var inner string
		if json.Unmarshal(top[key], &inner) != nil || envelopes == maxEnvelopes {
			continue
		}
		members, err := object([]byte(inner))
		if err != nil {
			return nil, err
		}
		return s3([]byte(inner), members, envelopes+1)
	}
	return nil, malformed("body", "is no event notification of S3, nor any other delivery that is known here")
}

// record is what we read of a record; all else is left alone.
type record struct {
	EventVersion string
	EventName    string
	EventTime    string
	S3           struct {
		ConfigurationID string
		Bucket          struct{ Name string }
		Object          struct {
			Key       string
			Size      int64
			ETag      string
			VersionID string
			Sequencer string
		}
	}
}

func records(text []byte) ([]queue.Notice, error) {
	var message struct{ Records []record }
	if err := json.Unmarshal(text, &message); err != nil {
		return nil, malformed("body.Records", "%s", typeFault(err))
	}
	var out []queue.Notice
	var wrong []Field
	for i, r := range message.Records {
		at := fmt.Sprintf("body.Records[%d]", i)
		// Minor versions only add fields.
		if major, _, _ := strings.Cut(r.EventVersion, "."); major != "2" {
			wrong = append(wrong, Field{at + ".eventVersion", fmt.Sprintf("is %.20q, only 2.x is known", r.EventVersion)})
			continue
		}
		if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
			continue
		}
		o := r.S3.Object
		if slices.Contains(versity, r.S3.ConfigurationID) {
			o.Sequencer = "" // a count that begins anew with the gateway orders nothing
		}
		n, err := objectNotice(r.S3.Bucket.Name, r.key(), o.Size, o.ETag, o.VersionID, o.Sequencer, r.EventTime)
		if err != nil {
			wrong = append(wrong, Field{at + ".s3.object.key", err.Error()})
		} else if n != nil {
			out = append(out, *n)
		}
	}
	if len(wrong) > 0 {
		return nil, &Malformed{wrong}
	}
	return out, nil
}

// versity are the configurations under which Versity's gateway sends. It
// alone writes keys as they are, and these names of its own are the only way
// to tell: "a+b" is a key in either spelling.
var versity = []string{"webhook-global", "kafka-global", "nats-global", "rabbitmq-global"}

// key is the object's own, decoded.
func (r record) key() string {
	key := r.S3.Object.Key
	if slices.Contains(versity, r.S3.ConfigurationID) {
		return key
	}
	if decoded, err := url.QueryUnescape(key); err == nil {
		return decoded
	}
	return key // a stray "%": nobody encoded it
}

// bridged reads EventBridge's envelope, where keys are not encoded.
func bridged(text []byte) ([]queue.Notice, error) {
	var e struct {
		Source string
		Type   string `json:"detail-type"`
		Time   string
		Detail struct {
			Bucket struct{ Name string }
			Object struct {
				Key       string
				Size      int64
				ETag      string
				VersionID string `json:"version-id"`
				Sequencer string
			}
		}
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, malformed("body.detail", "%s", typeFault(err))
	}
	if e.Source != "aws.s3" || e.Type != "Object Created" {
		return nil, nil
	}
	o := e.Detail.Object
	n, err := objectNotice(e.Detail.Bucket.Name, o.Key, o.Size, o.ETag, o.VersionID, o.Sequencer, e.Time)
	if err != nil {
		return nil, malformed("body.detail.object.key", "%v", err)
	}
	if n == nil {
		return nil, nil
	}
	return []queue.Notice{*n}, nil
}

// objectNotice is nil for what only looks like a folder.
func objectNotice(bucket, key string, size int64, etag, version, sequencer, at string) (*queue.Notice, error) {
	if strings.HasSuffix(key, "/") {
		return nil, nil
	}
	source, err := Object(bucket, key)
	if err != nil {
		return nil, err
	}
	for _, mark := range []string{etag, version, sequencer} {
		if len(mark) > maxKey || strings.ContainsFunc(mark, control) {
			return nil, errors.New("has an eTag, versionId or sequencer that S3 would not write")
		}
	}
	modified, _ := time.Parse(time.RFC3339, at) // zero is "not told"
	return &queue.Notice{
		Way: queue.ByS3, Source: source, Bytes: max(size, 0), ETag: ETag(etag), VersionID: version, Sequencer: sequencer, Modified: modified,
	}, nil
}

// ETag is the bare text of an ETag: headers quote it, events do not.
func ETag(s string) string { return strings.Trim(strings.TrimPrefix(s, "W/"), `"`) }

// typeFault tells which value has the wrong type, without Go's own names.
func typeFault(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return fmt.Sprintf("%s is a %s, which it never is", t.Field, t.Value)
	}
	return "cannot be read: " + err.Error()
}

package queue

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
)

// Way is how we came to know of a source.
type Way string

// The ways a film arrives.
const (
	ByHook   Way = "hook"      // our own JSON, signed
	ByS3     Way = "s3-event"  // pushed to the hook
	ByTus    Way = "tus"       // pushed to the hook
	BySQS    Way = "sqs"       // taken from a queue
	BySweep  Way = "sweep"     // found in an inbox
	ByUpload Way = "upload"    // uploaded through us
	BySubmit Way = "submit"    // by an operator
	ByCopy   Way = "recovered" // found in storage after Redis was lost
)

// Notice is what somebody told of a source. It may come twice, late, out of
// order, and before the object is there; the same source may be told of in
// several ways. Whoever makes one has checked who speaks.
type Notice struct {
	Partner   string            `json:"partner"`
	Way       Way               `json:"way"`
	Delivery  string            `json:"delivery,omitempty"` // id that repeats of this very telling share; "": it has none
	Source    string            `json:"source"`             // s3://bucket/key (percent-encoded), https://…, file:///…
	Bytes     int64             `json:"bytes,omitempty"`    // 0: not told
	ETag      string            `json:"etag,omitempty"`     // without quotes; or another mark that changes with the content; "": not told
	VersionID string            `json:"version_id,omitempty"`
	Sequencer string            `json:"sequencer,omitempty"` // orders the notices of one key: the longer, then the greater hex string is the later one
	Modified  time.Time         `json:"modified,omitzero"`   // by its store; zero: not told
	Reference string            `json:"reference,omitempty"` // the partner's name for the drop it is part of
	Title     string            `json:"title,omitempty"`
	Profile   string            `json:"profile,omitempty"`
	Params    map[string]string `json:"parameters,omitempty"`
	Deadline  time.Time         `json:"deadline,omitzero"` // zero: by the partner's promise
	Digest    string            `json:"digest,omitempty"`  // SHA-256 of the body that told it: another body under one Delivery is a mistake
}

// Version is what tells this content of the source from another's: its ETag,
// which every way of telling can know (a listing tells no version ids), else
// its version id, else nothing. The same bytes put again are the same content.
func (n Notice) Version() string {
	if n.ETag != "" {
		return "e:" + n.ETag
	}
	if n.VersionID != "" && n.VersionID != "null" {
		return "v:" + n.VersionID
	}
	return ""
}

// Receipt is the answer to a Notice, in the same place of the answers.
type Receipt struct {
	Job     string // id; "" when Refused
	New     bool   // false: the job was there already
	Refused *Fault // it can never become a job as it was told
}

// IDOf makes the id of the job for a partner's source at a version in a
// profile: the same ones have the same id, on any machine and after any loss.
// It looks like those of NewID.
// Signed in two ways a URL is the same source.
func IDOf(partner, source, version, profile string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{partner, Unsigned(source), version, profile}, "\x00")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:19])
}

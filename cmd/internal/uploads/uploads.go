// Package uploads takes films in parts, straight from a partner into a
// bucket: their bytes never pass through the farm's API.
package uploads

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"bobine/cmd/internal/api"
	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
	"bobine/storage/s3"
	"bobine/storage/state"
)

// Options are what a Desk is made of. All are needed.
type Options struct {
	Ledger *state.Ledger

	// Partner finds one. queue.ErrNotExist.
	Partner func(ctx context.Context, name string) (queue.Partner, error)

	// Home is the bucket, and the prefix in it, where a partner's uploads
	// come to lie. *api.RefusedError where there is none.
	Home func(ctx context.Context, p queue.Partner) (name, prefix string, err error)

	Bucket func(ctx context.Context, name string) (*s3.Store, error)

	// Check tells why there can be no job of this profile, "" being the
	// partner's, with these parameters, or nil.
	Check func(p queue.Partner, profile string, params map[string]string) *queue.Fault

	// Receive makes each notice into exactly one job; Job tells of it.
	Receive func(ctx context.Context, ns []queue.Notice) ([]queue.Receipt, error)
	Job     func(ctx context.Context, id string) (queue.Job, error)

	Own string // the farm's own partner, for whom operators upload
}

// Desk takes uploads. It implements api.Uploads.
type Desk struct{ o Options }

// New makes a desk.
func New(o Options) *Desk { return &Desk{o} }

// life is how long an upload may take.
const life = 7 * 24 * time.Hour

// record is an upload as the ledger keeps it.
type record struct {
	ID     string       `json:"id"`
	Notice queue.Notice `json:"notice"` // of the film, once it is whole
	Bucket string       `json:"bucket"`
	Ref    storage.Ref  `json:"ref"`
	Upload string       `json:"upload"` // the bucket's id
	Part   int64        `json:"part"`
	Parts  int32        `json:"parts"`
	Begun  time.Time    `json:"begun"`
}

// CreateUpload begins an upload.
func (d *Desk) CreateUpload(ctx context.Context, partner string, r api.UploadRequest) (api.Upload, error) {
	now := time.Now()
	p, err := d.owner(ctx, partner, r.Partner)
	if err != nil {
		return api.Upload{}, err
	}
	deadline, err := api.Request{Deadline: r.Deadline}.DeadlineAt(now, 0)
	if err != nil {
		return api.Upload{}, &api.RefusedError{Code: "bad-deadline", Message: err.Error()}
	}
	if r.Deadline == "" {
		deadline = time.Time{}
	}
	if f := d.o.Check(p, r.Profile, r.Params); f != nil { // not after a hundred gigabytes
		return api.Upload{}, &api.RefusedError{Code: f.Code, Message: f.Message, Hint: f.Hint}
	}
	name, prefix, err := d.o.Home(ctx, p)
	if err != nil {
		return api.Upload{}, err
	}
	u := record{ID: strings.ToLower(rand.Text()), Bucket: name, Begun: now.UTC()}
	u.Ref = storage.Join(prefix, u.ID, r.Name)
	source, err := ingest.Object(name, string(u.Ref))
	if err == nil {
		err = u.Ref.Check()
	}
	if err != nil || path.Base("/"+r.Name) != r.Name || !strings.HasSuffix(string(u.Ref), "/"+r.Name) {
		return api.Upload{}, &api.RefusedError{Code: "bad-name", Message: fmt.Sprintf("%.80q cannot be the name of a file", r.Name)}
	}
	u.Part, u.Parts = cut(r.Bytes)
	u.Notice = queue.Notice{
		Partner: p.Name, Way: queue.ByUpload, Delivery: "upload:" + u.ID, Source: source, Bytes: r.Bytes,
		Reference: r.Reference, Title: r.Title, Profile: r.Profile, Params: r.Params, Deadline: deadline,
	}
	bucket, err := d.o.Bucket(ctx, name)
	if err != nil {
		return api.Upload{}, away(err)
	}
	if u.Upload, err = bucket.BeginUpload(ctx, u.Ref, ""); err != nil {
		return api.Upload{}, away(err)
	}
	text, err := json.Marshal(u)
	if err == nil {
		err = d.o.Ledger.Commit(ctx, state.Change{Keys: []state.Key{{Name: key(u.ID), Is: string(text), Life: life}}})
	}
	if err != nil {
		drop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return api.Upload{}, away(errors.Join(err, bucket.DropUpload(drop, u.Ref, u.Upload)))
	}
	return u.view(nil), nil
}

// owner is the partner that an upload is for.
func (d *Desk) owner(ctx context.Context, caller, named string) (queue.Partner, error) {
	switch {
	case caller == "" && named == "":
		named = d.o.Own
	case caller != "" && named != "" && named != caller:
		return queue.Partner{}, &api.RefusedError{Code: "other-partner", Message: fmt.Sprintf("%s cannot upload for %.63q", caller, named)}
	case named == "":
		named = caller
	}
	p, err := d.o.Partner(ctx, named)
	if errors.Is(err, queue.ErrNotExist) {
		return p, &api.RefusedError{Code: "no-such-partner", Message: fmt.Sprintf("there is no partner %.63q", named), Hint: "see `bobine partner list`"}
	}
	if err != nil {
		return p, away(err)
	}
	return p, nil
}

// cut is the size of the parts, and how many there are: few enough for S3's
// 10,000, large enough for its 5 MiB.
func cut(bytes int64) (part int64, parts int32) {
	const mebi = 1 << 20
	part = 16 * mebi
	if least := (bytes + 8999) / 9000; least > part {
		part = (least + mebi - 1) / mebi * mebi
	}
	return part, int32((bytes + part - 1) / part)
}

func key(id string) string { return "upload:" + id }

// find reads an upload of the caller's.
func (d *Desk) find(ctx context.Context, caller, id string) (record, *s3.Store, error) {
	var u record
	found, err := d.o.Ledger.Keys(ctx, key(id))
	if err != nil {
		return u, nil, away(err)
	}
	if found[0] == "" {
		return u, nil, fmt.Errorf("upload %s: %w", id, queue.ErrNotExist)
	}
	if err := json.Unmarshal([]byte(found[0]), &u); err != nil {
		return u, nil, fmt.Errorf("read upload %s: %w", id, err)
	}
	if caller != "" && u.Notice.Partner != caller {
		return u, nil, fmt.Errorf("upload %s: %w", id, queue.ErrNotExist)
	}
	b, err := d.o.Bucket(ctx, u.Bucket)
	if err != nil {
		return u, nil, away(err)
	}
	return u, b, nil
}

func (u record) view(arrived []int32) api.Upload {
	if arrived == nil {
		arrived = []int32{}
	}
	return api.Upload{
		ID: u.ID, Source: u.Notice.Source, Bytes: u.Notice.Bytes, PartSize: u.Part, Parts: u.Parts,
		Arrived: arrived, Expires: u.Begun.Add(life),
	}
}

// size is that of part n.
func (u record) size(n int32) int64 { return min(u.Part, u.Notice.Bytes-int64(n-1)*u.Part) }

// Upload tells what has arrived.
func (d *Desk) Upload(ctx context.Context, caller, id string) (api.Upload, error) {
	u, b, err := d.find(ctx, caller, id)
	if err != nil {
		return api.Upload{}, err
	}
	parts, err := b.Parts(ctx, u.Ref, u.Upload)
	if err != nil {
		return api.Upload{}, known(err)
	}
	var arrived []int32
	for _, p := range parts {
		if p.Bytes == u.size(p.N) {
			arrived = append(arrived, p.N)
		}
	}
	return u.view(arrived), nil
}

// SignParts makes the URLs that parts are PUT to.
func (d *Desk) SignParts(ctx context.Context, caller, id string, parts []int32) ([]api.SignedPart, error) {
	u, b, err := d.find(ctx, caller, id)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		if parts, err = u.missing(ctx, b); err != nil {
			return nil, known(err)
		}
	}
	out := make([]api.SignedPart, 0, len(parts))
	for _, n := range parts {
		if n < 1 || n > u.Parts {
			return nil, &api.RefusedError{Code: "no-such-part", Message: fmt.Sprintf("there is no part %d: they are numbered 1 to %d", n, u.Parts)}
		}
		link, err := b.SignPart(ctx, u.Ref, u.Upload, n, u.size(n), api.SignedFor)
		if err != nil {
			return nil, away(err)
		}
		out = append(out, api.SignedPart{Part: n, URL: link, Bytes: u.size(n), First: int64(n-1) * u.Part})
	}
	return out, nil
}

func (u record) missing(ctx context.Context, b *s3.Store) ([]int32, error) {
	parts, err := b.Parts(ctx, u.Ref, u.Upload)
	if err != nil {
		return nil, err
	}
	here := map[int32]bool{}
	for _, p := range parts {
		here[p.N] = p.Bytes == u.size(p.N)
	}
	var out []int32
	for n := int32(1); n <= u.Parts && len(out) < 1000; n++ {
		if !here[n] {
			out = append(out, n)
		}
	}
	return out, nil
}

// CompleteUpload makes the object, and of it the job.
func (d *Desk) CompleteUpload(ctx context.Context, caller, id string) (queue.Job, error) {
	u, b, err := d.find(ctx, caller, id)
	if err != nil {
		return queue.Job{}, err
	}
	if missing, err := u.missing(ctx, b); err == nil && len(missing) > 0 {
		return queue.Job{}, &api.RefusedError{
			Code: "incomplete", Message: fmt.Sprintf("%d of %d parts have not arrived whole, the first is %d", len(missing), u.Parts, missing[0]),
			Hint: "POST /v1/uploads/" + id + "/sign gives URLs for those that are missing",
		}
	} else if err != nil && !errors.Is(err, storage.ErrNotExist) { // gone: perhaps it was completed
		return queue.Job{}, away(err)
	}
	o, err := b.EndUpload(ctx, u.Ref, u.Upload, u.Parts)
	if err != nil {
		return queue.Job{}, known(err)
	}
	n := u.Notice
	n.ETag, n.VersionID, n.Bytes = ingest.ETag(o.ETag), o.Version, o.Bytes
	receipts, err := d.o.Receive(ctx, []queue.Notice{n})
	if err != nil {
		return queue.Job{}, err
	}
	if f := receipts[0].Refused; f != nil {
		return queue.Job{}, &api.RefusedError{Code: f.Code, Message: f.Message, Hint: f.Hint}
	}
	return d.o.Job(ctx, receipts[0].Job)
}

// AbortUpload drops an upload and what arrived of it.
func (d *Desk) AbortUpload(ctx context.Context, caller, id string) error {
	u, b, err := d.find(ctx, caller, id)
	if errors.Is(err, queue.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := b.DropUpload(ctx, u.Ref, u.Upload); err != nil {
		return away(err)
	}
	found, err := d.o.Ledger.Keys(ctx, key(id))
	if err == nil && found[0] != "" {
		err = d.o.Ledger.Commit(ctx, state.Change{Keys: []state.Key{{Name: key(id), Was: found[0]}}})
	}
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return away(err)
	}
	return nil
}

func away(err error) error { return fmt.Errorf("%w: %w", api.ErrUnavailable, err) }

// known lets what is the caller's to know through, and marks the rest as an outage.
func known(err error) error {
	if errors.Is(err, storage.ErrNotExist) {
		return fmt.Errorf("the upload has ended or was dropped: %w", queue.ErrNotExist)
	}
	if errors.Is(err, s3.ErrIncomplete) {
		return &api.RefusedError{Code: "incomplete", Message: err.Error()}
	}
	return away(err)
}

package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bobine/queue"
)

// Uploads is what the handlers of uploads ask. A partner sees its own only:
// queue.ErrNotExist for all others. *RefusedError for what cannot be.
type Uploads interface {
	CreateUpload(ctx context.Context, partner string, r UploadRequest) (Upload, error)
	Upload(ctx context.Context, partner, id string) (Upload, error)
	// SignParts makes URLs that take the parts of these numbers; of all that
	// are missing, up to 1,000, for none.
	SignParts(ctx context.Context, partner, id string, parts []int32) ([]SignedPart, error)
	// CompleteUpload makes the job. An upload that was completed may be again.
	CompleteUpload(ctx context.Context, partner, id string) (queue.Job, error)
	// AbortUpload drops it. One that is gone is success.
	AbortUpload(ctx context.Context, partner, id string) error
}

// UploadRequest begins an upload.
type UploadRequest struct {
	Partner   string            `json:"partner,omitempty" maxLength:"63" doc:"Whose film it is; a partner that asks itself leaves it out"`
	Name      string            `json:"name" minLength:"1" maxLength:"255" doc:"Of the file" example:"Jour de fête.mov"`
	Bytes     int64             `json:"bytes" minimum:"1" maximum:"5497558138880" doc:"Size of the file"`
	Reference string            `json:"reference,omitempty" maxLength:"200" doc:"Your name for the drop it belongs to"`
	Title     string            `json:"title,omitempty" maxLength:"300"`
	Profile   string            `json:"profile,omitempty" maxLength:"63"`
	Params    map[string]string `json:"parameters,omitempty" maxProperties:"40"`
	Deadline  string            `json:"deadline,omitempty" maxLength:"40" doc:"From now on, such as 24h, or an RFC 3339 time"`
}

// Upload is a file on its way in parts.
type Upload struct {
	ID       string    `json:"id"`
	Source   string    `json:"source" doc:"Where it comes to lie"`
	Bytes    int64     `json:"bytes"`
	PartSize int64     `json:"part_bytes" doc:"Of every part but the last"`
	Parts    int32     `json:"parts" doc:"How many there are, numbered from 1"`
	Arrived  []int32   `json:"arrived" doc:"Numbers of the parts that are here"`
	Expires  time.Time `json:"expires" doc:"What is not complete then is dropped"`
}

// SignedPart is where one part is PUT to.
type SignedPart struct {
	Part  int32  `json:"part"`
	URL   string `json:"url" doc:"PUT the bytes of the part here, without other headers"`
	Bytes int64  `json:"bytes" doc:"Exactly so many"`
	First int64  `json:"first" doc:"Place of the part's first byte in the file"`
}

// SignedParts are the URLs of parts.
type SignedParts struct {
	Parts   []SignedPart `json:"parts"`
	Expires time.Time    `json:"expires" doc:"The URLs are good until then"`
}

type (
	uploadIn    struct{ Body UploadRequest }
	uploadOut   struct{ Body Upload }
	signPartsIn struct {
		ID   string `path:"id"`
		Body struct {
			Parts []int32 `json:"parts,omitempty" maxItems:"1000" doc:"Numbers; none: all that are missing"`
		}
	}
	signPartsOut struct{ Body SignedParts }
)

// SignedFor is how long the URLs of parts are good.
const SignedFor = time.Hour

func (s *service) registerUploads(a huma.API) {
	huma.Register(a, operation(http.MethodPost, "/v1/uploads", "create-upload", "Begin an upload in parts", http.StatusCreated), s.createUpload)
	huma.Register(a, operation(http.MethodGet, "/v1/uploads/{id}", "upload", "What has arrived", http.StatusOK), s.upload)
	huma.Register(a, operation(http.MethodPost, "/v1/uploads/{id}/sign", "sign-parts", "URLs to PUT parts to", http.StatusOK), s.signParts)
	huma.Register(a, operation(http.MethodPost, "/v1/uploads/{id}/complete", "complete-upload", "All parts are there: make the job", http.StatusAccepted), s.completeUpload)
	huma.Register(a, operation(http.MethodDelete, "/v1/uploads/{id}", "abort-upload", "Drop an upload", http.StatusNoContent), s.abortUpload)
}

func (s *service) createUpload(ctx context.Context, in *uploadIn) (*uploadOut, error) {
	u, err := s.o.Uploads.CreateUpload(ctx, callerOf(ctx), in.Body)
	if err != nil {
		return nil, s.answer(s.outside(ctx, err))
	}
	return &uploadOut{u}, nil
}

func (s *service) upload(ctx context.Context, in *idIn) (*uploadOut, error) {
	u, err := s.o.Uploads.Upload(ctx, callerOf(ctx), in.ID)
	if err != nil {
		return nil, s.answer(s.outside(ctx, err))
	}
	return &uploadOut{u}, nil
}

func (s *service) signParts(ctx context.Context, in *signPartsIn) (*signPartsOut, error) {
	until := time.Now().Add(SignedFor)
	parts, err := s.o.Uploads.SignParts(ctx, callerOf(ctx), in.ID, in.Body.Parts)
	if err != nil {
		return nil, s.answer(s.outside(ctx, err))
	}
	return &signPartsOut{SignedParts{parts, until}}, nil
}

func (s *service) completeUpload(ctx context.Context, in *idIn) (*jobOut, error) {
	j, err := s.o.Uploads.CompleteUpload(ctx, callerOf(ctx), in.ID)
	return s.one(j, nil, nil, s.outside(ctx, err))
}

func (s *service) abortUpload(ctx context.Context, in *idIn) (*struct{}, error) {
	if err := s.o.Uploads.AbortUpload(ctx, callerOf(ctx), in.ID); err != nil {
		return nil, s.answer(s.outside(ctx, err))
	}
	return nil, nil
}

// outside is an error as its caller may know it: what is away, and where that
// is, is not a partner's business.
func (s *service) outside(ctx context.Context, err error) error {
	if caller := callerOf(ctx); caller != "" && errors.Is(err, ErrUnavailable) {
		s.o.Log.Warn("an upload cannot go on", "partner", caller, "error", err)
		return ErrUnavailable
	}
	return err
}

type callerKey struct{}

// callerOf is the partner that asks; "" is the farm's operator.
func callerOf(ctx context.Context) string {
	name, _ := ctx.Value(callerKey{}).(string)
	return name
}

package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"bobine/storage"
)

// fault names what failed on which object, S3's own code for it and what to
// do, and bears the error callers act on.
func (s *Store) fault(verb string, r storage.Ref, err error) error {
	if errors.Is(err, storage.ErrBadRef) {
		return fmt.Errorf("%s: %w", verb, err) // which names the Ref
	}
	where := "s3://" + string(storage.Join(s.o.Bucket, string(s.o.Prefix), string(r)))
	if cause := contextual(err); cause != nil {
		return fmt.Errorf("%s %s: %w", verb, where, cause)
	}
	code, status := codeOf(err)
	if known := meaning(code, status); known != nil && r != "" {
		return fmt.Errorf("%s %s: %w", verb, where, known)
	}
	var op *smithy.OperationError
	if !errors.As(err, &op) { // not S3's but the body's, or our own
		return fmt.Errorf("%s %s: %w", verb, where, err)
	}
	f := &Fault{verb: verb, where: where, Operation: op.Operation(), Code: code, Status: status, err: err}
	f.hint = s.hint(f)
	return f
}

// Fault is an answer of S3, or none, in words.
type Fault struct {
	Operation string // such as PutObject
	Code      string // S3's, such as AccessDenied; empty: it did not answer
	Status    int    // of HTTP; 0: it did not answer

	verb, where, hint string
	err               error
}

func (f *Fault) Unwrap() error { return f.err }

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s: ", f.verb, f.where, f.Operation)
	var api smithy.APIError
	switch {
	case errors.As(f.err, &api):
		fmt.Fprintf(&b, "%s (%d)", f.Code, f.Status)
		if m := api.ErrorMessage(); m != "" && m != f.Code {
			b.WriteString(", " + strings.TrimRight(m, "."))
		}
	case f.Status != 0:
		fmt.Fprintf(&b, "HTTP status %d", f.Status)
	default:
		b.WriteString(innermost(f.err).Error())
	}
	if f.hint != "" {
		b.WriteString(": " + f.hint)
	}
	var answer *awshttp.ResponseError
	if errors.As(f.err, &answer) && answer.ServiceRequestID() != "" {
		b.WriteString(" [request " + answer.ServiceRequestID() + "]")
	}
	return b.String()
}

// innermost is the reason without the SDK's words around it.
func innermost(err error) error {
	var net *net.OpError
	if errors.As(err, &net) {
		return net
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// contextual is the context's error that is in err, nil when there is none. A
// line that took too long claims to be one too.
func contextual(err error) error {
	var line *net.OpError
	if errors.As(err, &line) {
		return nil
	}
	for _, c := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, c) {
			return c
		}
	}
	return nil
}

func codeOf(err error) (code string, status int) {
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	return code, status
}

// meaning is the error of package storage that an answer amounts to. Servers
// other than AWS have codes of their own.
func meaning(code string, status int) error {
	switch code {
	case "NoSuchKey", "NotFound", "NoSuchUpload":
		return storage.ErrNotExist
	case "PreconditionFailed":
		return storage.ErrExist
	case "InvalidObjectState":
		return storage.ErrArchived
	case "KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName", "ObjectParentIsFile", "ExistingObjectIsDirectory":
		return fmt.Errorf("%w: the server refuses it (%s)", storage.ErrBadRef, code)
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage":
		return fmt.Errorf("%w (%s)", storage.ErrNoSpace, code)
	}
	switch status {
	case http.StatusPreconditionFailed: // HEAD and servers without codes
		return storage.ErrExist
	case http.StatusInsufficientStorage:
		return storage.ErrNoSpace
	}
	return nil
}

// actions are what a role must be allowed for an operation, where it is not
// called like it.
var actions = map[string]string{
	"ListObjectsV2":           "s3:ListBucket",
	"HeadObject":              "s3:GetObject (and s3:ListBucket: without it S3 says the same of an object that is not there)",
	"GetObject":               "s3:GetObject (and s3:ListBucket: without it S3 says the same of an object that is not there)",
	"CopyObject":              "s3:PutObject, and s3:GetObject on the source",
	"UploadPartCopy":          "s3:PutObject, and s3:GetObject on the source",
	"CreateMultipartUpload":   "s3:PutObject",
	"UploadPart":              "s3:PutObject",
	"CompleteMultipartUpload": "s3:PutObject",
	"DeleteObjects":           "s3:DeleteObject",
	"ListParts":               "s3:ListMultipartUploadParts",
	"ListMultipartUploads":    "s3:ListBucketMultipartUploads",

	"GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
	"PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
	"GetBucketCors":                   "s3:GetBucketCORS",
	"PutBucketCors":                   "s3:PutBucketCORS",
	"DeleteBucketCors":                "s3:PutBucketCORS",
}

// hint is what to do about a fault.
func (s *Store) hint(f *Fault) string {
	switch f.Code {
	case "NoSuchBucket":
		return s.noBucket()
	case "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return "give it credentials that are good: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the machine's role"
	case "RequestTimeTooSkewed":
		return "this machine's clock is more than 15 minutes from the server's: set it right"
	case "SlowDown", "ServiceUnavailable":
		return "the server has too much to do: try again later, or with less at once"
	case "NotImplemented", "MethodNotAllowed", "MissingContentMD5", "XAmzContentSHA256Mismatch", "InvalidRequest":
		if strings.Contains(f.Operation, "Lifecycle") || strings.Contains(f.Operation, "Cors") {
			return "this server takes no such rules: set them by its own tools"
		}
		return "if the server is not AWS, try storage.s3.checksums: " + WhenRequired
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return s.wrongRegion(f)
	}
	switch f.Status {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return s.wrongRegion(f)
	case http.StatusForbidden:
		action := actions[f.Operation]
		if action == "" {
			action = "s3:" + f.Operation
		}
		return "allow these credentials " + action
	case 0:
		return s.unreachable(f.err)
	}
	return ""
}

func (s *Store) noBucket() string {
	return fmt.Sprintf("there is no bucket %s at %s: create it, or mend its name", s.o.Bucket, s.server())
}

func (s *Store) wrongRegion(f *Fault) string {
	right := "that of the bucket"
	var answer *awshttp.ResponseError
	if errors.As(f.err, &answer) && answer.Response != nil {
		if r := answer.Response.Header.Get("X-Amz-Bucket-Region"); r != "" {
			right = r
		}
	}
	return fmt.Sprintf("asked in region %s: set storage.s3.region to %s", s.o.Region, right)
}

func (s *Store) unreachable(err error) string {
	var line *net.OpError
	var dns *net.DNSError
	switch {
	case strings.Contains(err.Error(), "get credentials"), strings.Contains(err.Error(), "get identity"):
		return "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the machine a role"
	case errors.As(err, &dns):
		return fmt.Sprintf("cannot find %s: check storage.s3.endpoint; a server that does not answer at <bucket>.<host> wants storage.s3.path_style: true", s.server())
	case errors.As(err, &line):
		return fmt.Sprintf("cannot reach %s: check storage.s3.endpoint and the network", s.server())
	}
	return ""
}

func (s *Store) server() string {
	if s.o.Endpoint != "" {
		return s.o.Endpoint
	}
	return "AWS, region " + s.o.Region
}

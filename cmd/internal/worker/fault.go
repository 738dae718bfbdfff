package worker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/s3"
)

// unreachable is a source that could not be read.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return u.err.Error() }
func (u *unreachable) Unwrap() error { return u.err }

func sourceError(j queue.Job, err error) error {
	return &unreachable{fmt.Errorf("read the source %q of job %s: %w", j.Origin.Name, j.ID, err)}
}

// answered is a server's refusal.
type answered struct {
	status string
	code   int
}

func (a *answered) Error() string { return "the server answered " + a.status }

var errStalled = errors.New("the server sent nothing for a minute")

// heals tells whether a source may be there later without anybody's doing.
func heals(err error) bool {
	var said *answered
	if errors.As(err, &said) {
		return said.code >= 500 || said.code == http.StatusTooManyRequests || said.code == http.StatusRequestTimeout
	}
	var refused *s3.Fault
	if errors.As(err, &refused) {
		return refused.Status == 0 || refused.Status >= 500 || refused.Status == http.StatusTooManyRequests
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errStalled) {
		return true
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return !name.IsNotFound
	}
	var line *net.OpError // an address that is not allowed is one too, without a number
	var number syscall.Errno
	return errors.As(err, &line) && errors.As(line.Err, &number)
}

// checkError is a check that failed on the whole film.
type checkError struct{ check encoder.Check }

func (e *checkError) Error() string {
	return fmt.Sprintf("check %q failed: %s", e.check.Name, e.check.Detail)
}

// faultOf says in an operator's words why an attempt failed. This is the one
// place where errors become codes.
func faultOf(err error) queue.Fault {
	f := queue.Fault{Code: queue.CodeInternal, Message: err.Error(), Hint: "see the log of the task; then `bobine job retry`"}
	var check *ffmpeg.CheckError
	var whole *checkError
	var run *ffmpeg.Error
	var away *unreachable
	var second *uncopied
	if errors.As(err, &run) {
		f.Log = run.Log
	}
	switch {
	case errors.Is(err, encoder.ErrBadInput):
		f.Code, f.Hint = queue.CodeBadInput, "the source was kept as it is: ask the partner for a sound copy"
	case errors.As(err, &second) && !errors.As(err, &away):
		f.Code, f.Hint = faultOfCopy(err)
	case errors.Is(err, storage.ErrNoSpace):
		f.Code, f.Hint = queue.CodeNoSpace, "the disk is full: free space in the data folder or on scratch, then `bobine job retry`"
	case errors.As(err, &check), errors.As(err, &whole):
		f.Code, f.Hint = queue.CodeCheck, "nothing was published: keep this job's data and report it"
	case errors.As(err, &away):
		f.Code, f.Hint = queue.CodeSource, "make the source readable again, then `bobine job retry`"
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Hint = "bring the file back; where workers run on other machines, submit it as s3:// or https://"
		case errors.Is(err, fs.ErrPermission):
			f.Hint = "let the farm's user read the file, then `bobine job retry`"
		case heals(err):
			f.Code, f.Hint = queue.CodeNetwork, "see that the source's server answers, then `bobine job retry`"
		}
	}
	return f
}

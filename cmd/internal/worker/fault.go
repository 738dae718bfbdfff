package worker

import (
	"errors"
	"fmt"
	"io/fs"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/queue"
	"bobine/storage"
)

// unreachable is a source that could not be read.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return u.err.Error() }
func (u *unreachable) Unwrap() error { return u.err }

func sourceError(j queue.Job, err error) error {
	return &unreachable{fmt.Errorf("read the source %q of job %s: %w", j.Origin.Name, j.ID, err)}
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
	if errors.As(err, &run) {
		f.Log = run.Log
	}
	switch {
	case errors.Is(err, encoder.ErrBadInput):
		f.Code, f.Hint = queue.CodeBadInput, "the source was kept as it is: ask the partner for a sound copy"
	case errors.Is(err, storage.ErrNoSpace):
		f.Code, f.Hint = queue.CodeNoSpace, "the disk is full: free space in the data folder or on scratch, then `bobine job retry`"
	case errors.As(err, &check), errors.As(err, &whole):
		f.Code, f.Hint = queue.CodeCheck, "nothing was published: keep this job's data and report it"
	case errors.As(err, &away):
		f.Code, f.Hint = queue.CodeSource, "make the source readable again, then `bobine job retry`"
		if errors.Is(err, fs.ErrPermission) {
			f.Hint = "let the farm's user read the file, then `bobine job retry`"
		}
	}
	return f
}

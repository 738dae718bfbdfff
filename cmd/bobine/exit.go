package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bobine/cmd/internal/api"
	"bobine/configs"
	"bobine/queue"
)

// The exit codes. Scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRejected    = 3
	exitUnreachable = 4
	exitRepaired    = 5
	exitAtRisk      = 6
	exitLeft        = 7
	exitInterrupted = 130
)

const exitHelp = "0 done, 1 failed, 2 usage or config, 3 source rejected,\n  4 farm not reachable, 5 damage was found and repaired,\n  6 deadlines are at risk,\n  7 a worker left by itself, 130 interrupted"

// exitError bears its own code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error { return &exitError{code, err} }

func usage(format string, args ...any) error { return exit(exitUsage, fmt.Errorf(format, args...)) }

// exitCode is the one place where an error becomes an exit code.
func exitCode(err error) int {
	var own *exitError
	var problem *api.Problem
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, api.ErrUnreachable):
		return exitUnreachable
	case errors.As(err, &problem):
		return problemCode(problem)
	}
	return exitFailed
}

func problemCode(p *api.Problem) int {
	switch p.Status {
	case http.StatusUnauthorized, http.StatusServiceUnavailable, http.StatusMisdirectedRequest:
		return exitUnreachable
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if p.Code == queue.CodeBadInput {
			return exitRejected
		}
		return exitUsage
	}
	return exitFailed
}

// outcome is how a job's end ends the command that waited for it.
func outcome(j api.Job) error {
	switch j.State {
	case queue.Done:
		return nil
	case queue.Cancelled:
		return exit(exitFailed, fmt.Errorf("job %s was cancelled", j.ID))
	}
	code, why := exitFailed, ""
	if j.State == queue.Rejected {
		code = exitRejected
	}
	if j.Error != nil {
		why = ": " + j.Error.Message
		if j.Error.Hint != "" {
			why += "; " + j.Error.Hint
		}
	}
	return exit(code, fmt.Errorf("job %s %s%s", j.ID, map[bool]string{true: "was rejected", false: "failed"}[code == exitRejected], why))
}

// messages are what to say of an error: one line that cannot disturb a
// terminal, or one for each mistake in the configuration.
func messages(err error) []string {
	var wrong configs.Problems
	if !errors.As(err, &wrong) {
		return []string{clean(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))}
	}
	var lines []string
	for _, p := range wrong {
		lines = append(lines, clean(p.String()))
	}
	return lines
}

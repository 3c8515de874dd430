package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gildway/gildway/internal/client"
	"github.com/gildway/gildway/internal/fault"
)

// The exit statuses. Scripts rely on them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitNotFound    = 4
	exitUnavailable = 5
	exitInterrupted = 130
)

const exitCodes = `Exit status:
  0    it is done; with --wait, the run went well
  1    the run failed, or what was asked for was refused
  2    the command is not written as it should be
  3    nobody is signed in, or who is may not do this
  4    there is no such thing, or you may not see it
  5    no answer, not now, or too much was asked for: try again later
  130  Ctrl-C; a run that was being watched goes on`

// exitCode ends the program without another word: what is wrong has been printed.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// usage is a command that is not written as it should be.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func misused(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// errSignedOut is a command that was given no token.
var errSignedOut = errors.New("no token is given; set --token or GILDWAY_TOKEN; " + freshToken)

// conclude says what went wrong and what to do about it, and gives the exit status.
func conclude(err error, stopped bool, out io.Writer) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case stopped && errors.Is(err, context.Canceled):
		fmt.Fprintln(out, "gildway: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(out, "gildway:", err)
	for _, p := range fault.From(err).Problems {
		fmt.Fprintln(out, " ", p)
	}
	var refused *client.Problem
	if errors.As(err, &refused) {
		if next := nextStep(refused); next != "" {
			fmt.Fprintln(out, next)
		}
	}
	return statusOf(err)
}

func statusOf(err error) int {
	var wrong usage
	var refused *client.Problem
	var silent *client.NoAnswer
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case errors.Is(err, errSignedOut):
		return exitDenied
	case errors.As(err, &silent), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	case !errors.As(err, &refused):
		return exitFailed
	}
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitDenied
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnavailable
	default:
		return exitFailed
	}
}

// nextStep is what somebody can do who was refused.
func nextStep(p *client.Problem) string {
	_, task, _ := strings.Cut(p.Path, "/tasks/")
	task, _, _ = strings.Cut(task, "/")
	approval := strings.Contains(p.Path, "/approvals/")
	switch p.Status {
	case http.StatusUnauthorized:
		return "the token is missing, expired or of another Gildway; " + freshToken
	case http.StatusForbidden:
		return "what you may see: gildway task list, gildway approval list"
	case http.StatusNotFound:
		switch {
		case approval:
			return "the approvals that you may see: gildway approval list"
		case task != "":
			return "the runs that you may see: gildway task list"
		default:
			return "the templates that you may run: gildway template list"
		}
	case http.StatusConflict:
		switch {
		case approval:
			return "how it was decided: gildway approval list --state \"\""
		case task != "":
			return "what it is at: gildway task show " + task
		}
	case http.StatusTooManyRequests:
		if p.RetryAfter > 0 {
			return fmt.Sprintf("try again in %d seconds", p.RetryAfter)
		}
	case http.StatusInternalServerError:
		return "the log of the API has the cause, under the request " + p.Request
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "try again in a moment"
	}
	return ""
}

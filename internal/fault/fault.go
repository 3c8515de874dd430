// Package fault is the closed set of error kinds that Gildway knows and the one place that turns
// them into HTTP answers and Temporal errors.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of an error: it alone decides the HTTP status and whether a step is tried again.
type Kind string

// The kinds. Nothing outside this list leaves an action or reaches a client.
const (
	Invalid         Kind = "Invalid"         // what was asked for can never work as written
	Unauthenticated Kind = "Unauthenticated" // the caller did not prove who they are
	Denied          Kind = "Denied"          // the caller, or our credential, may not do this
	NotFound        Kind = "NotFound"        // the thing does not exist or is hidden from the caller
	Conflict        Kind = "Conflict"        // something else is in the way, or the moment has passed
	Gone            Kind = "Gone"            // it was there once and was consumed
	RateLimited     Kind = "RateLimited"     // too much was asked for; RetryAfter says when to come back
	Unavailable     Kind = "Unavailable"     // the other side does not answer; the same call may work later
	Unsupported     Kind = "Unsupported"     // the protocol has it and we don't
	Internal        Kind = "Internal"        // a mistake of ours; the log has the cause
)

// Error makes a Kind usable with errors.Is(err, fault.NotFound).
func (k Kind) Error() string { return string(k) }

// Final reports whether trying again can't help.
func (k Kind) Final() bool {
	switch k {
	case RateLimited, Unavailable, Internal:
		return false
	default:
		return true
	}
}

// Error is a failure with a text that is safe to show.
type Error struct {
	Kind       Kind
	Public     string        // written by us, never a provider's words: it is stored in history and shown to users
	Name       string        // for Backstage's clients, if it is not the kind's; e.g. the plain "Error" of a failed file operation
	RetryAfter time.Duration // how long to wait before the next try; RateLimited and Unavailable only, 0 = unknown
	Problems   []Problem     // all that is wrong with the input, when there is more to say than Public does
	Cause      error         // for the log only
}

// Problem is one thing wrong with an input: where, why and what to write instead.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`   // 1-based; 0 = unknown
	Column int    `json:"column,omitempty"` // 1-based, in characters
	Path   string `json:"path,omitempty"`   // the place inside the document, e.g. spec.steps[2].input.url
	Rule   string `json:"rule"`             // stable id of the rule, e.g. unknown-action

	Severity Severity `json:"severity,omitempty"` // empty: refused
	Says     string   `json:"message"`
	Try      string   `json:"fix,omitempty"` // what to write instead
}

// Severity tells what stops a template from what only deserves a look.
type Severity string

// The severities.
const (
	Refused Severity = ""        // it can't run as written
	Warning Severity = "warning" // it runs, and hardly means what it says
)

// String is the one-line form for terminals: file:line:col: message (rule); try: fix.
func (p Problem) String() string {
	s := p.Says
	if p.Rule != "" {
		s += " (" + p.Rule + ")"
	}
	if p.Try != "" {
		s += "; try: " + p.Try
	}
	switch {
	case p.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, s)
	case p.Path != "":
		return p.Path + ": " + s
	default:
		return s
	}
}

// New makes an error whose text may be shown to anyone who may see the run.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Public: fmt.Sprintf(format, args...)}
}

// Wrap makes an error that keeps its cause for the log and shows only the given text.
func Wrap(k Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: k, Public: fmt.Sprintf(format, args...), Cause: cause}
}

// WithProblems lists everything that is wrong with an input in one Invalid error.
func WithProblems(summary string, problems []Problem) *Error {
	return &Error{Kind: Invalid, Public: summary, Problems: problems}
}

// BackstageName is the error name that Backstage's clients are told.
func (e *Error) BackstageName() string {
	if e.Name != "" {
		return e.Name
	}
	return e.Kind.BackstageName()
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Public }

// Unwrap gives the cause, for logs and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches the error's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf gives the kind of any error; what is not ours is Internal.
func KindOf(err error) Kind { return From(err).Kind }

// From finds the fault in err. Whatever is not one of ours becomes Internal with its text withheld.
func From(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return &Error{Kind: Internal, Public: "something went wrong on our side; the log has the cause", Cause: err}
}

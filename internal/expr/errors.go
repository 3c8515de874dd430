package expr

import (
	"fmt"
	"strings"
)

// Pos is a place in a template source. Line and Column count from 1, Column in UTF-16 units as editors and the
// reference implementation count; Offset is in bytes from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Offset int `json:"offset"`
}

func (p Pos) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// SyntaxError says why a source is not a template. Limit names the exceeded limit when size, not shape, was the reason.
type SyntaxError struct {
	Pos   Pos
	Msg   string
	Limit string
}

func (e *SyntaxError) Error() string { return "Template error at " + e.Pos.String() + ": " + e.Msg }

// oneLine escapes what could break a line or turn its direction, since messages may show what a template computed.
func oneLine(msg string) string {
	var b strings.Builder
	for _, r := range msg {
		switch {
		case r < ' ', r >= 0x7F && r <= 0x9F, r == 0x61C, r == 0x200E, r == 0x200F, r >= 0x2028 && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		if b.Len() > maxMessage {
			return b.String() + "…"
		}
	}
	return b.String()
}

const maxMessage = 1024

// EvalError says why a template that parses has no value. Limit names the exceeded limit of the budget, Cause is what
// a function or filter of the caller returned, or the context's error.
type EvalError struct {
	Pos   Pos
	Msg   string
	Limit string
	Cause error
}

func (e *EvalError) Error() string { return "Template error at " + e.Pos.String() + ": " + e.Msg }

// Unwrap gives the error of a caller's function, or of the context.
func (e *EvalError) Unwrap() error { return e.Cause }

// ValueError says which value of a tree does not evaluate, and why.
type ValueError struct {
	Source string
	Cause  error
}

func (e *ValueError) Error() string { return e.Quoted() + ": " + e.Cause.Error() }

// Quoted is the source, or its beginning, on one line.
func (e *ValueError) Quoted() string {
	source := oneLine(e.Source)
	if len(source) > maxQuoted {
		source = strings.ToValidUTF8(source[:maxQuoted], "") + "…"
	}
	return source
}

// Unwrap gives the *EvalError.
func (e *ValueError) Unwrap() error { return e.Cause }

const maxQuoted = 200

// reason is an error in the words of the reference implementation or of Backstage, which become part of a message.
type reason string

func (r reason) Error() string { return string(r) }

func reasonf(format string, args ...any) error { return reason(fmt.Sprintf(format, args...)) }

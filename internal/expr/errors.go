package expr

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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

func (e *SyntaxError) Error() string {
	return oneLine("Template error at " + e.Pos.String() + ": " + e.Msg)
}

// oneLine escapes what could break a line or turn its direction, since messages may show what a template computed, and
// cuts what is too long, as the reference implementation does with whole messages.
func oneLine(msg string) string {
	var b strings.Builder
	left := maxMessage
	for _, r := range wellFormed(msg) {
		part, units := string(r), utf16.RuneLen(r)
		switch {
		case r < ' ', r >= 0x7F && r <= 0x9F, r == 0x61C, r == 0x200E, r == 0x200F, r >= 0x2028 && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
			part, units = fmt.Sprintf(`\u%04x`, r), len(`\u0000`)
		}
		if units > left {
			switch {
			case units == len(part): // an escape, which is cut like any text
				b.WriteString(part[:left])
			case left > 0: // half a character
				b.WriteRune(utf8.RuneError)
			}
			return b.String() + "…"
		}
		left -= units
		b.WriteString(part)
	}
	return b.String()
}

// maxMessage bounds a message, in UTF-16 units.
const maxMessage = 1024

// EvalError says why a template that parses has no value. Limit names the exceeded limit of the budget, Cause is what
// a function or filter of the caller returned, or the context's error.
type EvalError struct {
	Pos   Pos
	Msg   string
	Limit string
	Cause error
}

func (e *EvalError) Error() string {
	return oneLine("Template error at " + e.Pos.String() + ": " + e.Msg)
}

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

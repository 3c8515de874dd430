// Package secrets keeps values that must not be seen from being printed, logged or stored by accident.
package secrets

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret holds a value that no format verb, logger or encoder can show. The zero value is empty.
type Secret struct{ value func() string } // a closure: fmt can't call methods on unexported fields, but can print a string

var errByValue = errors.New("a secret is passed by reference, never by value")

// New wraps a value.
func New(v string) Secret { return Secret{func() string { return v }} }

// Format writes a placeholder for every verb.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[secret]") }

// LogValue is what slog shows.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalJSON refuses: a stored placeholder would be a bug that nobody sees.
func (Secret) MarshalJSON() ([]byte, error) { return nil, errByValue }

// MarshalText refuses, for YAML, map keys and the rest.
func (Secret) MarshalText() ([]byte, error) { return nil, errByValue }

// UnmarshalText reads a value from configuration.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}

// Empty reports whether there is nothing to reveal.
func (s Secret) Empty() bool { return s.value == nil || s.value() == "" }

// Reveal gives the value, to be handed to whoever it authenticates us to and to nobody else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return s.value()
}

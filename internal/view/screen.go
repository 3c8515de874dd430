package view

import (
	"fmt"
	"io"
	"strings"
)

// Screen redraws some lines of a terminal in place.
type Screen struct {
	out   io.Writer
	drawn int
}

// NewScreen draws from where the cursor is.
func NewScreen(out io.Writer) *Screen { return &Screen{out: out} }

// Draw puts lines in the place of those that it drew before. The cursor stays below them. None may be wider than the
// terminal.
func (s *Screen) Draw(lines []string) error {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		b.WriteString("\r" + l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.drawn = len(lines)
	_, err := io.WriteString(s.out, b.String())
	return err
}

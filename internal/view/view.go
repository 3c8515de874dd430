// Package view shows a run on a terminal while it happens.
package view

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/client"
)

// Picture is what is known of a run at a moment.
type Picture struct {
	Title string
	Graph client.Graph
	Taken time.Time         // when the graph was made
	Said  map[string]string // the last line of each step's log
}

// Size is that of a terminal, in characters.
type Size struct{ Width, Height int }

// least is what a terminal has that doesn't say, or lies.
var least = Size{Width: 40, Height: 8}

type look struct{ mark, colour string }

const (
	grey   = "90"
	green  = "32"
	red    = "31"
	blue   = "36"
	yellow = "33"
)

var looks = map[string]look{
	"completed": {"✓", green}, "failed": {"✗", red}, "cancelled": {"✗", yellow}, "skipped": {"–", grey}, "open": {"·", grey},
	"processing": {"●", blue},
}

// Lines draws the picture as it is at a time, within a size and, if asked for, in colours. Where there are more steps
// than lines, those that are over make room first, then those that are last.
func (p Picture) Lines(now time.Time, size Size, colours bool) []string {
	size.Width, size.Height = max(size.Width, least.Width), max(size.Height, least.Height)
	since := max(now.Sub(p.Taken), 0)
	if over(p.Graph.Status) {
		since = 0
	}
	lines := []string{fitted(fmt.Sprintf("%s  %s  %s", cmp.Or(p.Title, p.Graph.Template), p.Graph.Status, span(p.Graph.TookMs, since)), size.Width)}
	steps, before, after := window(p.Graph.Steps, size.Height-4)
	if before > 0 {
		lines = append(lines, painted(fmt.Sprintf("    … %d steps that are over", before), grey, colours))
	}
	ids, names := 0, 0
	for _, s := range steps {
		ids, names = max(ids, utf8.RuneCountInString(s.ID)), max(names, utf8.RuneCountInString(s.Name))
	}
	ids, names = min(ids, size.Width/4), min(names, size.Width/3)
	for _, s := range steps {
		lines = append(lines, p.line(s, ids, names, since, size.Width, colours))
	}
	if after > 0 {
		lines = append(lines, painted(fmt.Sprintf("    … %d more", after), grey, colours))
	}
	return lines
}

func (p Picture) line(s client.GraphStep, ids, names int, since time.Duration, width int, colours bool) string {
	is, why := looks[s.State], ""
	took := ""
	if s.StartedAt != nil && s.State != "skipped" {
		if s.EndedAt != nil {
			since = 0
		}
		took = span(s.TookMs, since)
	}
	switch {
	case s.State == "processing" && len(s.WaitsFor) > 0:
		is = look{"?", yellow}
		why = "waits for " + says(s.WaitsFor)
	case s.State == "processing" && s.Attempts > 1:
		why = fmt.Sprintf("attempt %d; %s", s.Attempts, p.Said[s.ID])
	case s.State == "processing" || s.State == "failed":
		why = p.Said[s.ID]
	case s.State == "open" && len(s.WaitsFor) > 0 && s.WaitsFor[0].Kind == "step":
		why = "after " + says(s.WaitsFor)
	case s.State == "open" && len(s.WaitsFor) > 0:
		why = "waits for " + says(s.WaitsFor)
	}
	text := fmt.Sprintf(" %s  %s  %s  %8s  %s", cmp.Or(is.mark, "·"), padded(s.ID, ids), padded(s.Name, names), took, why)
	return painted(fitted(strings.TrimRight(text, " "), width), is.colour, colours)
}

func over(status string) bool {
	return status == "completed" || status == "failed" || status == "cancelled"
}

func says(waits []client.WaitsFor) string {
	texts := make([]string, len(waits))
	for i, w := range waits {
		texts[i] = strings.TrimPrefix(w.Says, "step ")
	}
	return strings.Join(texts, ", ")
}

// window is a part of the steps that fits into so many lines, and how many were left out before and after it.
func window(steps []client.GraphStep, lines int) (shown []client.GraphStep, before, after int) {
	if len(steps) <= lines {
		return steps, 0, 0
	}
	// The first that is not over is what happens now; one that is over stays above it.
	now := slices.IndexFunc(steps, func(s client.GraphStep) bool { return s.State == "open" || s.State == "processing" })
	if now < 0 {
		now = len(steps)
	}
	before = min(max(now-1, 0), len(steps)-lines)
	return steps[before : before+lines], before, len(steps) - before - lines
}

// span writes a time as people read it on a clock that ticks: tenths below ten seconds, whole seconds above.
func span(ms int64, more time.Duration) string {
	d := time.Duration(ms)*time.Millisecond + more
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Truncate(time.Second).String()
}

func padded(s string, width int) string {
	s = fitted(s, width)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

// fitted cuts a text to one line of a width, and takes out what a terminal would obey.
func fitted(s string, width int) string {
	s, _, _ = strings.Cut(s, "\n")
	runes := []rune(Plain(s))
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return string(runes)
}

// escape is what a terminal obeys instead of showing it: the colours of a log, and worse.
var escape = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|.)?")

// Plain takes out of a text all that a terminal would obey, but line ends.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		default:
			return r
		}
	}, escape.ReplaceAllString(s, ""))
}

func painted(s, colour string, colours bool) string {
	if !colours || colour == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

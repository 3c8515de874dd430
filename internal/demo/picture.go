package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/client"
)

const chartWidth = 40

// draw shows a run: a row a step, what it waited for, and when it ran.
func draw(out io.Writer, g client.Graph) {
	first, last, ok := span(g)
	if !ok {
		fmt.Fprintln(out, "   nothing ran")
		return
	}
	total := max(last.Sub(first), time.Millisecond)
	column := func(t time.Time) int {
		return int(float64(chartWidth) * float64(t.Sub(first)) / float64(total))
	}
	fmt.Fprintf(out, "   %-20s %-30s %-*s %8s  after\n", "step", "action", chartWidth+1, "0 "+strings.Repeat("·", chartWidth-8)+" "+round(total), "took")
	for _, s := range g.Steps {
		bar, took := strings.Repeat(" ", chartWidth+1), s.State
		if s.StartedAt != nil && s.EndedAt != nil {
			from := column(*s.StartedAt)
			length := max(column(*s.EndedAt)-from, 1)
			bar = strings.Repeat(" ", from) + strings.Repeat(block(s), length)
			bar += strings.Repeat(" ", max(chartWidth+1-from-length, 0))
			if s.State == "completed" {
				took = round(s.EndedAt.Sub(*s.StartedAt))
			}
		}
		fmt.Fprintf(out, "   %-20s %-30s %s %8s  %s\n", s.ID, s.Action, bar, took, strings.Join(waitedFor(g, s.ID), ", "))
	}
}

func block(s client.GraphStep) string {
	if s.Kind == "gate" {
		return "░" // people's time
	}
	return "█"
}

func round(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func span(g client.Graph) (first, last time.Time, ok bool) {
	for _, s := range g.Steps {
		if s.StartedAt == nil || s.EndedAt == nil {
			continue
		}
		if !ok || s.StartedAt.Before(first) {
			first = *s.StartedAt
		}
		if !ok || s.EndedAt.After(last) {
			last = *s.EndedAt
		}
		ok = true
	}
	return first, last, ok
}

func waitedFor(g client.Graph, step string) []string {
	var from []string
	for _, e := range g.Edges {
		if e.To == step {
			from = append(from, fmt.Sprintf("%s (%s)", e.From, e.Reason))
		}
	}
	slices.Sort(from)
	return slices.Compact(from)
}

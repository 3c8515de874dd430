package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

var begun = time.Unix(100, 0)

func sample() Picture {
	return Picture{
		Title: "Node.js service", Taken: begun,
		Said: map[string]string{"publish": "\x1b[33mwarn\x1b[39m: GitHub asks us to slow down", "slow": "Pushing\nto main"},
		Graph: client.Graph{Status: "processing", TookMs: 4200, Steps: []client.GraphStep{
			{ID: "fetch", Name: "Fetch the skeleton", State: "completed", StartedAt: &begun, EndedAt: &begun, TookMs: 1234},
			{ID: "publish", Name: "Publish", State: "processing", StartedAt: &begun, TookMs: 3000, Attempts: 2},
			{ID: "slow", Name: "Push", State: "processing", StartedAt: &begun, TookMs: 61_000, Attempts: 1},
			{ID: "ask", Name: "Approve", State: "processing", StartedAt: &begun, TookMs: 500, Attempts: 1,
				WaitsFor: []client.WaitsFor{{Kind: "approval", ID: "t.ask", Says: "1 of group:default/leads"}}},
			{ID: "none", Name: "Not this time", State: "skipped", StartedAt: &begun, EndedAt: &begun},
			{ID: "turn", Name: "Ready", State: "open", WaitsFor: []client.WaitsFor{{Kind: "place", Says: "its turn"}}},
			{ID: "register", Name: "Register in the catalog", State: "open", WaitsFor: []client.WaitsFor{{Kind: "step", ID: "publish", Says: "step publish"}}},
		}},
	}
}

func TestPicture_Lines_Golden(t *testing.T) {
	t.Parallel()
	require.Equal(t, `Node.js service  processing  6.2s
 ✓  fetch     Fetch the skeleton           1.2s
 ●  publish   Publish                      5.0s  attempt 2; warn: GitHub asks us to slow down
 ●  slow      Push                         1m3s  Pushing
 ?  ask       Approve                      2.5s  waits for 1 of group:default/leads
 –  none      Not this time
 ·  turn      Ready                              waits for its turn
 ·  register  Register in the catalog            after publish
`, strings.Join(sample().Lines(begun.Add(2*time.Second), Size{130, 40}, false), "\n")+"\n")

	p := sample()
	p.Graph.Status = "completed"
	require.Equal(t, "Node.js service  completed  4.2s", p.Lines(begun.Add(time.Hour), Size{130, 40}, false)[0], "the clock of what is over stands still")
	require.Contains(t, p.Lines(begun, Size{130, 40}, true)[1], "\x1b[32m ✓  fetch")
}

func TestPicture_Lines_FitAnyTerminal(t *testing.T) {
	t.Parallel()
	p := sample()
	for i := range 60 {
		p.Graph.Steps = append([]client.GraphStep{{ID: fmt.Sprint("done-", i), Name: strings.Repeat("ü", i), State: "completed"}}, p.Graph.Steps...)
	}
	for i := range 60 {
		p.Graph.Steps = append(p.Graph.Steps, client.GraphStep{ID: fmt.Sprint("open-", i), State: "open"})
	}
	for _, size := range []Size{{0, 0}, {40, 8}, {80, 24}, {200, 50}} {
		lines := p.Lines(begun, size, false)
		require.LessOrEqual(t, len(lines), max(size.Height, least.Height)-1)
		text := strings.Join(lines, "\n")
		require.Contains(t, text, "publish", "what happens now is seen")
		require.Contains(t, text, "steps that are over")
		require.Contains(t, text, " more")
		for _, l := range lines {
			require.LessOrEqual(t, utf8.RuneCountInString(l), max(size.Width, least.Width))
		}
	}
}

func TestPlain_NothingThatATerminalObeys(t *testing.T) {
	t.Parallel()
	for hostile, plain := range map[string]string{
		"\x1b[32minfo\x1b[39m: ok":         "info: ok",
		"a\x1b]0;title\x07b":               "ab",
		"a\x1b]8;;http://x\x1b\\link":      "alink",
		"\x1b[2J\x1b[1;1Hgone\r\x08\u009b": "gone",
		"tab\there\nnext":                  "tab here\nnext",
		"\x1b":                             "",
	} {
		require.Equal(t, plain, Plain(hostile))
	}
}

func TestScreen_Draw_InPlace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := NewScreen(&out)
	require.NoError(t, s.Draw([]string{"a", "b"}))
	require.NoError(t, s.Draw([]string{"c"}))
	require.Equal(t, "\ra\x1b[K\n\rb\x1b[K\n\x1b[J"+"\x1b[2A\rc\x1b[K\n\x1b[J", out.String())
}

// fakeRun says its events when it is told to.
type fakeRun struct {
	events chan client.Event
	graphs chan client.Graph // a new one each time it is asked; empty: it can't be had
}

func (f fakeRun) Watch(ctx context.Context, _ string, each func(client.Event)) (last client.Event, err error) {
	for {
		select {
		case e, open := <-f.events:
			if !open {
				return last, nil
			}
			last = e
			each(e)
		case <-ctx.Done():
			return last, ctx.Err()
		}
	}
}

func (f fakeRun) Graph(context.Context, string) (client.Graph, error) {
	select {
	case g := <-f.graphs:
		return g, nil
	default:
		return client.Graph{}, errors.New("not now")
	}
}

func TestFollow_DrawsUntilTheEnd(t *testing.T) {
	t.Parallel()
	run := fakeRun{make(chan client.Event), make(chan client.Graph, 1)}
	graph := func(status string) client.Graph { return client.Graph{Status: status} }
	run.graphs <- graph("open")
	pictures := make(chan Picture)
	type ending struct {
		event client.Event
		err   error
	}
	ended := make(chan ending, 1)
	go func() {
		event, err := Follow(t.Context(), run, "t", "", func(p Picture) error {
			p.Said = maps.Clone(p.Said)
			pictures <- p
			return nil
		})
		close(pictures)
		ended <- ending{event, err}
	}()
	require.Equal(t, "open", (<-pictures).Graph.Status)

	run.graphs <- graph("processing")
	event := client.Event{Type: "log"}
	event.Body.StepID, event.Body.Status, event.Body.Message = "a", "processing", "Beginning step a\nlast"
	told := make(chan struct{})
	go func() {
		run.events <- event
		close(told)
	}()
	seen := false
	for p := range pictures {
		if seen = p.Graph.Status == "processing" && p.Said["a"] == "last"; seen {
			break
		}
	}
	require.True(t, seen)
	<-told
	run.graphs <- graph("completed")
	go func() {
		run.events <- client.Event{Type: "completion"}
		close(run.events)
	}()
	var last Picture
	for p := range pictures {
		last = p
	}
	require.Equal(t, "completed", last.Graph.Status)
	end := <-ended
	require.NoError(t, end.err)
	require.Equal(t, "completion", end.event.Type)
}

func TestFollow_TerminalGone_Ends(t *testing.T) {
	t.Parallel()
	run := fakeRun{make(chan client.Event), make(chan client.Graph, 1)}
	_, err := Follow(t.Context(), run, "t", "", func(Picture) error { return errors.New("closed") })
	require.ErrorContains(t, err, "closed")
}

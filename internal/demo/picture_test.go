package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/client"
)

func TestDraw_ShowsWhoWaitedForWhomAndHowLong(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(ms int) *time.Time { m := began.Add(time.Duration(ms) * time.Millisecond); return &m }
	g := client.Graph{Steps: []client.GraphStep{
		{ID: "ticket", Action: "itsm:ticket:open", State: "completed", StartedAt: at(0), EndedAt: at(100)},
		{ID: "approval", Action: "approval:request", Kind: "gate", State: "completed", StartedAt: at(100), EndedAt: at(300)},
		{ID: "key", Action: "vault:mint-key", State: "failed", StartedAt: at(300), EndedAt: at(400)},
		{ID: "close", Action: "itsm:ticket:update", State: "open"},
	}}
	for _, e := range [][3]string{{"ticket", "approval", "data"}, {"approval", "key", "gate"}, {"ticket", "key", "data"}, {"ticket", "key", "data"}} {
		g.Edges = append(g.Edges, struct {
			From   string `json:"from"`
			To     string `json:"to"`
			Reason string `json:"reason"`
		}{e[0], e[1], e[2]})
	}
	var out strings.Builder
	draw(&out, g)
	require.Equal(t, strings.TrimPrefix(`
   step                 action                         0 ································ 0.40 s     took  after
   ticket               itsm:ticket:open               ██████████                                  0.10 s  
   approval             approval:request                         ░░░░░░░░░░░░░░░░░░░░              0.20 s  ticket (data)
   key                  vault:mint-key                                               ██████████    failed  approval (gate), ticket (data)
   close                itsm:ticket:update                                                           open  
`, "\n"), out.String())
}

func TestDraw_NothingRan_SaysSo(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	draw(&out, client.Graph{Steps: []client.GraphStep{{ID: "a", State: "open"}}})
	require.Equal(t, "   nothing ran\n", out.String())
}

package templates

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/gildway/gildway/internal/plan"
)

// graph holds why steps wait for each other, by their place in the file.
type graph struct {
	size  int
	edges []edge
	index map[edgeKey]int
}

type edgeKey struct {
	from, to int
	reason   plan.Reason
}

type edge struct {
	edgeKey
	details []string
	at      mark // what in the file makes the edge
	path    string
}

// maxDetails is how many of the details of one edge are told.
const maxDetails = 20

func newGraph(size int) graph { return graph{size: size, index: map[edgeKey]int{}} }

// add notes a reason for `to` to wait for `from`; the same reason twice is one edge with both details.
func (g *graph) add(from, to int, reason plan.Reason, detail string, at mark, path string) {
	key := edgeKey{from, to, reason}
	i, ok := g.index[key]
	if !ok {
		i = len(g.edges)
		g.index[key] = i
		g.edges = append(g.edges, edge{edgeKey: key, at: at, path: path})
	}
	e := &g.edges[i]
	switch {
	case detail == "" || len(e.details) > maxDetails || slices.Contains(e.details, detail):
	case len(e.details) == maxDetails:
		e.details = append(e.details, "…")
	default:
		e.details = append(e.details, detail)
	}
}

var reasonRank = map[plan.Reason]int{plan.Data: 0, plan.Order: 1, plan.Workspace: 2, plan.Gate: 3, plan.Sequence: 4}

// sorted gives the edges by the place of their target, then of their source, in an order of the steps.
func (g *graph) sorted(place []int) []edge {
	edges := slices.Clone(g.edges)
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(
			cmp.Compare(place[a.to], place[b.to]),
			cmp.Compare(place[a.from], place[b.from]),
			cmp.Compare(reasonRank[a.reason], reasonRank[b.reason]),
		)
	})
	return edges
}

// order gives the steps so that each comes after all it waits for, in file order among equals. It is
// shorter than the graph if there are cycles.
func (g *graph) order() []int {
	waiting := make([]int, g.size)
	next := make([][]int, g.size)
	for _, e := range g.edges {
		waiting[e.to]++
		next[e.from] = append(next[e.from], e.to)
	}
	ready := &smallest{}
	for i, n := range waiting {
		if n == 0 {
			heap.Push(ready, i)
		}
	}
	order := make([]int, 0, g.size)
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		order = append(order, i)
		for _, to := range next[i] {
			if waiting[to]--; waiting[to] == 0 {
				heap.Push(ready, to)
			}
		}
	}
	return order
}

// cycles gives circles of edges, each beginning at its first step in the file: one at least for every
// group of steps that wait for each other and for nobody else who does.
func (g *graph) cycles() [][]edge {
	done := make([]bool, g.size)
	order := g.order()
	if len(order) == g.size {
		return nil
	}
	for _, i := range order {
		done[i] = true
	}
	// Every step left waits for one that is left: going back from any of them comes round to a circle.
	into := make([]*edge, g.size)
	for i := range g.edges {
		e := &g.edges[i]
		if done[e.from] || done[e.to] {
			continue
		}
		if old := into[e.to]; old == nil || backRank(e) < backRank(old) {
			into[e.to] = e
		}
	}
	var cycles [][]edge
	walk := make([]int, g.size) // the walk that came by, from 1
	for start := range g.size {
		if done[start] || walk[start] != 0 {
			continue
		}
		i := start
		for walk[i] == 0 {
			walk[i] = start + 1
			i = into[i].from
		}
		if walk[i] == start+1 {
			cycles = append(cycles, circle(into, i))
		}
	}
	return cycles
}

// backRank prefers, among the edges into a step, the one from later in the file: it is the likelier mistake.
func backRank(e *edge) int {
	if e.from > e.to {
		return -e.from
	}
	return e.to - e.from
}

func circle(into []*edge, at int) []edge {
	var edges []edge
	for i := at; len(edges) == 0 || i != at; i = into[i].from {
		edges = append(edges, *into[i])
	}
	slices.Reverse(edges)
	first := 0
	for i, e := range edges {
		if e.from < edges[first].from {
			first = i
		}
	}
	return append(edges[first:], edges[:first]...)
}

type smallest []int

func (h smallest) Len() int           { return len(h) }
func (h smallest) Less(i, j int) bool { return h[i] < h[j] }
func (h smallest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *smallest) Push(x any)        { *h = append(*h, x.(int)) }
func (h *smallest) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

package run

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
)

// Limits of loops. What is beyond the first three stands in blobs instead of in history.
const (
	chunkItems = 250
	chunkBytes = 256 << 10
	itemInput  = 8 << 10
	mostItems  = 100_000
	lineBytes  = 4 << 10
	mostLines  = 500 // of skipped items in front of one that runs
)

// item is one item of a loop.
type item struct {
	key   string
	value any
	loop  *loop
}

// name is the key, "" without a loop.
func (i *item) name() string {
	if i == nil {
		return ""
	}
	return i.key
}

func (i *item) variable() *expr.Object { return expr.NewObject("key", i.key, "value", i.value) }

// loop is what a step's `each` came to.
type loop struct {
	items   []*item
	secret  bool    // made with secrets: history holds how its values are made, not the values
	without []*item // what it comes to without secrets, by index
	hide    redactor
}

// loop evaluates the items of a step into out.
func (e *evaluation) loop(ctx context.Context, out *activities.Evaluated) error {
	l, err := e.over(ctx)
	if err != nil {
		return err
	}
	vars := e.plain.vars
	private := l.secret || e.readsSecrets(e.when)
	if e.readsSecrets(e.when) {
		secrets, err := e.runner.secretsOf(ctx, e.in.Run)
		if err != nil {
			return err
		}
		vars = e.runner.secretive(vars, secrets, e.runner.environment.secrets)
	}
	w := writer{runner: e.runner}
	for i, one := range l.items {
		wanted := scope{runner: e.runner, vars: vars.With("each", one.variable()), failed: e.in.Scope.Failed, strict: e.plain.strict, private: private}
		var runs any = true
		if expr.Truthy(e.when) {
			if runs, err = wanted.render(ctx, e.when); err != nil {
				return err
			}
		}
		if !truthy(runs) {
			w.skip(one.key, l.line("Skipping", i))
			continue
		}
		s := scope{runner: e.runner, vars: e.plain.vars.With("each", one.variable()), failed: e.in.Scope.Failed, strict: e.plain.strict, private: private}
		input, err := e.inputs(ctx, &s, one)
		if err != nil {
			return err
		}
		if input, err = e.runner.offload(ctx, input, itemInput); err != nil {
			return err
		}
		if err := w.add(ctx, activities.Item{Key: one.key, Input: input}, l.line("Running", i)); err != nil {
			return err
		}
	}
	return w.finish(ctx, out)
}

// over renders `each`, with secrets if it reads them.
func (e *evaluation) over(ctx context.Context) (*loop, error) {
	s := e.plain
	l := &loop{secret: e.readsSecrets(e.each)}
	var secrets *expr.Object
	if l.secret {
		var err error
		if secrets, err = e.runner.secretsOf(ctx, e.in.Run); err != nil {
			return nil, err
		}
		l.hide = hides(secrets, e.runner.environment.secrets)
		s.vars, s.private = e.runner.secretive(s.vars, secrets, e.runner.environment.secrets), true
	}
	over, err := s.render(ctx, e.each)
	if err != nil {
		return nil, err
	}
	switch over.(type) {
	case []any, *expr.Object:
	default:
		if over == any(expr.Undefined) {
			return nil, fault.New(fault.Invalid, "Invalid value on action %s.each parameter, \"%s\" cannot be resolved to a value", e.in.Step.Action, jsText(e.each))
		}
		return nil, fault.New(fault.Invalid, "Invalid value on action %s.each parameter, must resolve to an array or object", e.in.Step.Action)
	}
	l.items = l.itemsOf(over)
	if len(l.items) > mostItems {
		return nil, fault.New(fault.Invalid, "`each` of step %s has %d items; at most %d are possible", e.in.Step.ID, len(l.items), mostItems)
	}
	if !l.secret {
		return l, nil
	}
	if _, object := over.(*expr.Object); object {
		if err := e.keysAreNoSecret(ctx, l, secrets); err != nil {
			return nil, err
		}
	}
	s.vars, s.strict = e.runner.secretive(e.plain.vars, &expr.Object{}, &expr.Object{}), false
	without, err := s.render(ctx, e.each)
	if err != nil {
		return nil, err
	}
	l.without = l.itemsOf(without)
	for i, one := range l.items {
		l.hide.differences(one.value, l.withoutSecrets(i))
	}
	return l, nil
}

// keysAreNoSecret makes sure that the keys of an object, which stand in history, say nothing of the secrets it
// was made with: with other secrets it has the same.
func (e *evaluation) keysAreNoSecret(ctx context.Context, l *loop, secrets *expr.Object) error {
	s := e.plain
	s.vars, s.strict = e.runner.secretive(s.vars, others(secrets), others(e.runner.environment.secrets)), false
	other, err := s.render(ctx, e.each)
	if err != nil {
		return err
	}
	same := func(a, b *item) bool { return a.key == b.key }
	if _, object := other.(*expr.Object); !object || !slices.EqualFunc(l.items, l.itemsOf(other), same) {
		return fault.New(fault.Invalid, "`each` of step %s makes the keys of an object out of secrets, and the keys of a loop stand in the run's history. Loop over an array instead", e.in.Step.ID)
	}
	return nil
}

// others are secrets of the same names that share nothing else with the given ones.
func others(secrets *expr.Object) *expr.Object {
	out := &expr.Object{}
	for name, value := range secrets.All() {
		out.Set(name, hashed(fmt.Sprint("other than ", value)))
	}
	return out
}

func (l *loop) itemsOf(over any) (items []*item) {
	switch over := over.(type) {
	case []any:
		for i, v := range over {
			items = append(items, &item{strconv.Itoa(i), v, l})
		}
	case *expr.Object:
		for k, v := range over.All() {
			items = append(items, &item{k, v, l})
		}
	}
	return items
}

func (l *loop) withoutSecrets(i int) any {
	if i < len(l.without) {
		return l.without[i].value
	}
	return expr.Undefined
}

// line is what the log says of an item.
func (l *loop) line(what string, i int) string {
	text := jsText(l.items[i].value)
	if len(text) > lineBytes {
		text = text[:lineBytes] + "…"
	}
	return l.hide.text(eachLine(what, l.items[i].key, text))
}

// writer collects the items of a loop: in the answer while they are few, in blobs when they are more.
type writer struct {
	runner *Runner
	items  []activities.Item
	bytes  int
	last   int                // of items, the last that runs
	any    bool               // one runs
	before []string           // lines about skipped items since the last that runs
	left   int                // how many of them there was no room for
	chunks []activities.Chunk // already stored
	stored int                // items in them
}

func (w *writer) skip(key, line string) {
	w.items = append(w.items, activities.Item{Key: key, Skip: true})
	w.bytes += len(key) + 32
	if len(w.before) < mostLines {
		w.before = append(w.before, line)
	} else {
		w.left++
	}
}

func (w *writer) add(ctx context.Context, item activities.Item, line string) error {
	item.Says = append(w.skipped(), line)
	w.any, w.last = true, len(w.items)
	w.items = append(w.items, item)
	w.bytes += len(item.Key) + len(item.Input) + 64
	for _, line := range item.Says {
		w.bytes += len(line) + 8
	}
	for w.full() {
		if err := w.store(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) skipped() []string {
	lines := w.before
	if w.left > 0 {
		lines = append(lines, fmt.Sprintf("Skipping step each: %d more", w.left))
	}
	w.before, w.left = nil, 0
	return lines
}

// full reports whether a chunk can be stored and the last item that runs still waits for what follows it.
func (w *writer) full() bool {
	n, size := w.next()
	return w.last >= n && (n == chunkItems || size > chunkBytes)
}

// next is how many of the items go into the next chunk, and their size.
func (w *writer) next() (n, size int) {
	for n < len(w.items) && n < chunkItems && size <= chunkBytes {
		size += len(w.items[n].Input) + len(w.items[n].Key) + 64
		for _, line := range w.items[n].Says {
			size += len(line) + 8
		}
		n++
	}
	return n, size
}

func (w *writer) store(ctx context.Context) error {
	n, _ := w.next()
	digest, err := w.runner.put(ctx, w.items[:n])
	if err != nil {
		return err
	}
	w.chunks = append(w.chunks, activities.Chunk{Blob: digest, First: w.stored, Count: n})
	w.stored += n
	w.items = slices.Clone(w.items[n:])
	w.last -= n
	return nil
}

func (w *writer) finish(ctx context.Context, out *activities.Evaluated) error {
	if !w.any {
		out.Says = w.skipped()
		return nil
	}
	w.items[w.last].Says = append(w.items[w.last].Says, w.skipped()...)
	if len(w.chunks) == 0 && len(w.items) <= chunkItems && w.bytes <= chunkBytes {
		out.Items = w.items
		return nil
	}
	for len(w.items) > 0 {
		if err := w.store(ctx); err != nil {
			return err
		}
	}
	out.Chunks = w.chunks
	return nil
}

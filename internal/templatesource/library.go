package templatesource

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// Store keeps versions. *store.Store implements it.
type Store interface {
	SaveTemplate(ctx context.Context, n store.NewTemplate) error
	TemplateByDigest(ctx context.Context, digest string) (store.TemplateVersion, error)
	SetTemplatePlaces(ctx context.Context, source string, places []store.TemplatePlace) error
	TemplatePlaces(ctx context.Context, source string) ([]store.TemplatePlace, error)
}

// Options are what a Library works with.
type Options struct {
	Store   Store
	Sources []Source // of two that have the same template the first counts
	Actions templates.Actions
	Every   time.Duration // between refreshes
	Log     *slog.Logger
}

// Entry is what is known of one place of a source.
type Entry struct {
	Source  string
	Place   string
	File    string
	Ref     string             // "" if nobody can tell
	Version *templates.Version // the last good one; nil: there never was one
	Current bool               // it is the one that runs: no source before this one has a template of that ref
	Kept    bool               // what is there now has refusals; Version is older
	// Problems are what is wrong with what is there now, warnings too.
	Problems  []fault.Problem
	Refreshed time.Time // when it was last read

	revision string // Found.Revision of what was taken
	digest   string // of what was looked at last, good or bad
	base     string
}

// SourceState is how it stands with a source.
type SourceState struct {
	Name      string
	Read      time.Time       // the last time that it could be read; zero: never by this process
	Problems  []fault.Problem // why it can't be read now
	Templates int             // how many places have a version that can be run
}

// View is how it stands with everything at one moment. It doesn't change.
type View struct {
	Entries []Entry // by source, as configured, and place
	Sources []SourceState
	byRef   map[string]*templates.Version
	list    []*templates.Version
}

// Library is all templates. What readers see changes as a whole, when a refresh has ended.
type Library struct {
	Options
	view  atomic.Pointer[View]
	asked chan chan struct{}
	held  []*held
}

// held is what the last refresh left of a source.
type held struct {
	Source
	entries   []Entry
	state     SourceState
	persisted []store.TemplatePlace
}

// Open makes a library of what was kept, and reads all sources once.
func Open(ctx context.Context, o Options) (*Library, error) {
	l := &Library{Options: o, asked: make(chan chan struct{})}
	for _, s := range o.Sources {
		h := &held{Source: s, state: SourceState{Name: s.Name()}}
		if err := l.restore(ctx, h); err != nil {
			return nil, err
		}
		l.held = append(l.held, h)
	}
	l.refresh(ctx)
	return l, nil
}

// Run refreshes now and then, and when it is asked to, until ctx ends.
func (l *Library) Run(ctx context.Context) {
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	for {
		var waiting []chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case w := <-l.asked:
			waiting = append(waiting, w)
		}
		l.refresh(ctx)
		for _, w := range waiting {
			close(w)
		}
	}
}

// Refresh returns when all sources have been read anew, by Run. An error says that nobody waited for the end.
func (l *Library) Refresh(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case l.asked <- done:
	case <-ctx.Done():
		return slow(ctx)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return slow(ctx)
	}
}

func slow(ctx context.Context) error {
	return fault.Wrap(fault.Unavailable, ctx.Err(), "reading all sources takes longer than a request may; it goes on")
}

// View shows how it stands.
func (l *Library) View() *View { return l.view.Load() }

// Get finds the current version of a template by its canonical ref.
func (l *Library) Get(ref string) (*templates.Version, bool) {
	v, ok := l.View().byRef[ref]
	return v, ok
}

// List gives the current versions of all templates, in the order of sources and places.
func (l *Library) List() []*templates.Version { return l.View().list }

// Find gives the entry that counts for a ref: the one that runs, or else the first that can't.
func (v *View) Find(ref string) (Entry, bool) {
	var first *Entry
	for i, e := range v.Entries {
		if e.Ref != ref {
			continue
		}
		if e.Current {
			return e, true
		}
		if first == nil {
			first = &v.Entries[i]
		}
	}
	if first == nil {
		return Entry{}, false
	}
	return *first, true
}

// show makes a view of what is held.
func (l *Library) show() {
	v := &View{byRef: map[string]*templates.Version{}}
	from := map[string]Entry{}
	for _, h := range l.held {
		state := h.state
		for _, e := range h.entries {
			if e.Version != nil {
				state.Templates++
				first, taken := from[e.Ref]
				switch {
				case !taken:
					e.Current = true
					from[e.Ref] = e
					v.byRef[e.Ref] = e.Version
					v.list = append(v.list, e.Version)
				case first.Version.Digest != e.Version.Digest:
					e.Problems = append(e.Problems[:len(e.Problems):len(e.Problems)], fault.Problem{
						File: e.File, Path: "metadata.name", Rule: "duplicate-template",
						Says: e.Ref + " is also at " + first.Place + " of the source " + first.Source + ", which is configured first and counts",
					})
				}
			}
			v.Entries = append(v.Entries, e)
		}
		v.Sources = append(v.Sources, state)
	}
	l.view.Store(v)
}

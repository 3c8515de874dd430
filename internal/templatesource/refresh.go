package templatesource

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/snapshot"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/templates"
)

// readWithin is how long one source may take.
const readWithin = time.Minute

// refresh reads every source once, all at the same time. One that can't be read keeps what it had.
func (l *Library) refresh(ctx context.Context) {
	var reading sync.WaitGroup
	for _, h := range l.held {
		reading.Go(func() { l.update(ctx, h) })
	}
	reading.Wait()
	l.show()
}

func (l *Library) update(ctx context.Context, h *held) {
	within, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	found, done, err := h.Read(within)
	reached := err == nil
	if reached {
		err = l.read(within, h, found)
		done()
	}
	if err == nil {
		err = l.remember(ctx, h)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	if within.Err() != nil {
		err = fault.Wrap(fault.Unavailable, err, "reading it takes longer than %.0f s; it goes on with the next refresh", readWithin.Seconds())
	}
	f := fault.From(err)
	h.state.Problems = []fault.Problem{{File: h.Name(), Rule: "unreadable", Says: f.Public}}
	l.Log.Warn("a source of templates can't be read; what it had stays", "source", h.Name(), "error", f, "cause", f.Cause)
	if reached {
		return
	}
	// Another replica may have read more than we have.
	if err := l.restore(ctx, h); err != nil {
		l.Log.Warn("what is kept of a source of templates can't be read", "source", h.Name(), "error", err)
	}
}

// read takes over what a source has now. What there was no time for stays as it was, until the next time.
func (l *Library) read(ctx context.Context, h *held, found []Found) (err error) {
	old := map[string]Entry{}
	for _, e := range h.entries {
		old[e.Place] = e
	}
	entries := make([]Entry, 0, len(found))
	for _, f := range found {
		was, known := old[f.Place]
		e := was
		if err == nil {
			if e, err = l.take(ctx, h.Name(), f, was); err == nil {
				known = true
				l.tell(was, e)
			}
		}
		if known {
			entries = append(entries, e)
		}
	}
	h.entries = entries
	if err == nil {
		h.state.Read, h.state.Problems = time.Now(), nil
	}
	return err
}

// take looks at one place, of which `was` is known. Whatever is wrong with what is there stands in the entry; an error
// is none of its fault.
func (l *Library) take(ctx context.Context, source string, f Found, was Entry) (Entry, error) {
	e := was
	e.Source, e.Place, e.File, e.Refreshed = source, f.Place, f.File, time.Now()
	if f.Entity != nil && e.Ref == "" {
		e.Ref = f.Place
	}
	if f.Err != nil {
		return e.refused(fault.From(f.Err)), nil
	}
	if f.Revision != "" && f.Revision == was.revision {
		return e, nil
	}
	folder, done, err := f.Open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return was, err
		}
		return e.refused(fault.From(err)), nil
	}
	defer done()
	name := f.Name
	if f.Entity != nil {
		if f.Same(folder) {
			f.Entity = nil
		} else {
			name = ""
		}
	}
	taken, err := snapshot.Take(folder, name, f.Entity)
	if err != nil {
		return e.refused(fault.From(unreadable(err))), nil
	}
	if e.digest != taken.Digest || e.base != f.BaseURL {
		if e, err = l.version(ctx, e, f, taken, folder); err != nil {
			return was, err
		}
	}
	e.revision = f.Revision
	return e, nil
}

// version makes a version of a snapshot and keeps it, unless it is refused.
func (l *Library) version(ctx context.Context, e Entry, f Found, taken snapshot.Snapshot, folder fs.FS) (Entry, error) {
	var problems []fault.Problem
	if f.Entity == nil {
		problems = templates.LintFolder(folder, f.Name, f.File, l.Actions)
	} else if t, found := templates.Parse(f.File, f.Entity); t != nil {
		problems = slices.Concat(found, templates.Lint(t, l.Actions))
	} else {
		problems = found
	}
	if f.Entity != nil { // nobody sees its lines
		for i := range problems {
			problems[i].File, problems[i].Line, problems[i].Column = f.Place, 0, 0
		}
	}
	v, found := templates.Restore(f.File, taken, f.ShownURL, f.BaseURL, l.Actions)
	refused := slices.ContainsFunc(problems, func(p fault.Problem) bool { return p.Severity == fault.Refused })
	if v == nil && !refused {
		problems, refused = append(problems, found...), true
	}
	if v != nil && f.Entity != nil && v.Ref != f.Place {
		problems = append(problems, fault.Problem{File: f.File, Path: "metadata.name", Rule: "other-name", Says: "the catalog has it under another name than " + v.Ref})
		refused = true
	}
	e.digest, e.base, e.Problems, e.Kept = taken.Digest, f.BaseURL, problems, refused
	if refused {
		if t, _ := templates.Parse(f.File, taken.Source); t != nil && e.Version == nil {
			if ref, err := plan.ParseEntityRef(t.Ref, ""); err == nil {
				e.Ref = ref.String()
			}
		}
		return e, nil
	}
	n := store.NewTemplate{
		Ref: v.Ref, Digest: v.Digest, Source: string(taken.Source), Archive: taken.Archive, Origin: e.Source,
		Revision: f.Commit.ID, Author: f.Commit.Author,
	}
	if !f.Commit.At.IsZero() {
		n.CommittedAt = &f.Commit.At
	}
	if err := l.Store.SaveTemplate(ctx, n); err != nil {
		return e, err
	}
	e.Version, e.Ref = v, v.Ref
	return e, nil
}

// refused is the entry with a reason why what is there now can't be taken.
func (e Entry) refused(f *fault.Error) Entry {
	e.Problems = []fault.Problem{{File: e.File, Rule: "unreadable", Says: f.Public}}
	e.Kept, e.digest, e.revision = true, "", ""
	return e
}

// tell writes changes to the log.
func (l *Library) tell(was, now Entry) {
	digest := func(e Entry) string {
		if e.Version == nil {
			return ""
		}
		return e.Version.Digest
	}
	switch {
	case digest(now) != digest(was):
		l.Log.Info("a template has a new version", "template", now.Ref, "digest", digest(now), "source", now.Source, "place", now.Place)
	case now.Kept && (!was.Kept || !slices.Equal(was.Problems, now.Problems)):
		l.Log.Warn("a template is kept out", "template", now.Ref, "source", now.Source, "place", now.Place,
			"stays", digest(now), "problems", len(now.Problems), "first", now.Problems[0].String())
	}
}

// remember writes down where the good versions of a source are, if that has changed.
func (l *Library) remember(ctx context.Context, h *held) error {
	places := []store.TemplatePlace{}
	for _, e := range h.entries {
		if e.Version != nil {
			places = append(places, store.TemplatePlace{
				Place: e.Place, Ref: e.Ref, Digest: e.Version.Digest, File: e.Version.Template.File,
				ShownURL: e.Version.BaseURL, BaseURL: e.Version.Plan.Template.BaseURL,
			})
		}
	}
	if h.persisted != nil && slices.Equal(places, h.persisted) {
		return nil
	}
	if err := l.Store.SetTemplatePlaces(ctx, h.Name(), places); err != nil {
		return err
	}
	h.persisted = places
	return nil
}

// restore takes over what is kept of a source.
func (l *Library) restore(ctx context.Context, h *held) error {
	places, err := l.Store.TemplatePlaces(ctx, h.Name())
	if err != nil {
		return err
	}
	for _, p := range places {
		at := slices.IndexFunc(h.entries, func(e Entry) bool { return e.Place == p.Place })
		if at >= 0 && h.entries[at].Version != nil && h.entries[at].Version.Digest == p.Digest {
			continue
		}
		kept, err := l.Store.TemplateByDigest(ctx, p.Digest)
		if err != nil {
			return err
		}
		e := Entry{Source: h.Name(), Place: p.Place, File: p.File, Ref: p.Ref}
		e.Version, e.Problems = templates.Restore(p.File, snapshot.Snapshot{Digest: p.Digest, Source: []byte(kept.Source)}, p.ShownURL, p.BaseURL, l.Actions)
		e.Kept = e.Version == nil
		if at >= 0 {
			h.entries[at] = e
		} else {
			h.entries = append(h.entries, e)
		}
	}
	slices.SortFunc(h.entries, func(a, b Entry) int { return strings.Compare(a.Place, b.Place) })
	return nil
}

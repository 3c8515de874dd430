package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/store"
)

const (
	// readsAtOnce bounds what wake-ups of many tasks at the same moment do to the database.
	readsAtOnce = 8
	// readAgain is the pause after a read that the database did not answer; after unanswered, followers are told.
	readAgain  = time.Second
	unanswered = 20 * time.Second
)

// feeds read each task's events once for all who follow the task, and nothing while it is quiet.
type feeds struct {
	store   eventStore
	wakeups Wakeups
	turns   chan struct{}

	mu   sync.Mutex // before any feed's own
	open map[string]*feed
}

func newFeeds(s eventStore, w Wakeups) *feeds {
	return &feeds{store: s, wakeups: w, turns: make(chan struct{}, readsAtOnce), open: map[string]*feed{}}
}

// line is an event as its readers get it, written once for all of them.
type line struct {
	event Event
	text  []byte
}

// feed is the newest part of one task's log. It knows all events after floor, up to head.
type feed struct {
	of          *feeds
	task        string
	recoverable bool
	ctx         context.Context // ends with the last follower
	cancel      context.CancelFunc
	stop        func() // the wake-ups
	followers   int    // guarded by feeds.mu

	mu          sync.Mutex
	floor, head int64
	guessed     bool // head is what a client said; there may be no such event
	lines       []line
	size        int
	completion  *line // the newest one, whatever its id
	changed     time.Time
	news        chan struct{} // closed when any of this has changed

	asked, read int64 // numbers of reads: the newest that somebody wants, the newest begun and done
	joined      bool  // somebody new wants to know of a completion
	reading     bool
	err         error
}

// follower is one reader's place in a feed. It must be closed.
type follower struct {
	*feed
	after     int64
	from      int64 // the read it waits for: nothing older than its coming is told to it as the newest
	completed int64 // id of the completion that it was told of
	once      sync.Once
}

// follow joins the feed of a task, behind the event with the id after.
func (fs *feeds) follow(task string, recoverable bool, after int64) *follower {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.open[task]
	if f == nil {
		f = &feed{
			of: fs, task: task, recoverable: recoverable, floor: after, head: after, guessed: after != 0,
			news: make(chan struct{}), changed: time.Now(),
		}
		f.ctx, f.cancel = context.WithCancel(context.Background())
		f.stop = fs.wakeups.Subscribe(task, f.wake)
		fs.open[task] = f
	}
	f.followers++
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.lines) == 0 && after < f.floor { // nothing is known yet or any more: begin where it wants to
		f.floor, f.head = after, after
	}
	f.joined = true
	f.refresh()
	return &follower{feed: f, after: after, from: f.asked}
}

func (fw *follower) close() {
	fw.once.Do(func() {
		fs := fw.of
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if fw.followers--; fw.followers > 0 {
			return
		}
		fw.stop()
		fw.cancel()
		delete(fs.open, fw.task)
	})
}

// wake is called when there may be new events. It doesn't block.
func (f *feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh()
}

func (f *feed) refresh() {
	f.asked++
	if !f.reading {
		f.reading = true
		go f.catchUp()
	}
}

// catchUp reads until nobody has asked for more since.
func (f *feed) catchUp() {
	var failing time.Time
	f.mu.Lock()
	defer f.mu.Unlock()
	for more := false; f.ctx.Err() == nil && (more || f.read < f.asked); {
		number, after, guessed, joined := f.asked, f.head, f.guessed, f.joined
		f.joined = false
		f.mu.Unlock()
		page, err := f.of.page(f.ctx, f.task, after, guessed, joined)
		f.mu.Lock()
		switch {
		case err != nil && !f.told(err, &failing):
			f.joined = f.joined || joined
			f.pause()
			continue
		case err != nil:
			f.err, more = err, false
		case f.head != after: // somebody who wants to begin earlier came meanwhile, and asked
			f.joined = f.joined || joined
			continue
		default:
			f.err, failing, more = nil, time.Time{}, page.more
			f.add(page, joined)
		}
		f.read = number
		close(f.news)
		f.news = make(chan struct{})
	}
	f.reading = false
}

// told decides whether followers must know that a read failed. A database that restarts is waited for.
func (f *feed) told(err error, failing *time.Time) bool {
	if failing.IsZero() {
		*failing = time.Now()
	}
	return !errors.Is(err, fault.Unavailable) || time.Since(*failing) > unanswered
}

func (f *feed) pause() {
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-time.After(readAgain):
	case <-f.ctx.Done():
	}
}

// eventPage is what one read found.
type eventPage struct {
	after  int64 // where it began
	events []store.Event
	more   bool
}

// page reads what comes after an event; if that is only guessed to be one, not after the task's last.
func (fs *feeds) page(ctx context.Context, task string, after int64, guessed, withCompletion bool) (p eventPage, err error) {
	select {
	case fs.turns <- struct{}{}:
		defer func() { <-fs.turns }()
	case <-ctx.Done():
		return p, ctx.Err()
	}
	if guessed {
		last, err := fs.store.LastEvent(ctx, task)
		if err != nil {
			return p, err
		}
		after = min(after, last)
	}
	events, err := fs.store.Events(ctx, task, after, withCompletion, batch)
	return eventPage{after: after, events: events, more: store.MoreEvents(events, batch)}, err
}

// add takes a page into what is known.
func (f *feed) add(p eventPage, withCompletion bool) {
	if f.guessed {
		f.floor, f.head, f.guessed = p.after, p.after, false
	}
	if withCompletion {
		f.completion = nil
	}
	for _, e := range p.events {
		l := lineOf(e, f.recoverable)
		switch e.Type {
		case "completion":
			f.completion = &l
		case "recovered":
			// A new attempt. What came before may be gone: who has not seen it asks the store.
			f.completion, f.lines, f.size = nil, nil, 0
			f.floor, f.head, f.changed = e.ID, e.ID, time.Now()
		}
		if e.ID > f.head {
			f.lines, f.head, f.changed = append(f.lines, l), e.ID, time.Now()
			f.size += len(l.text)
		}
	}
	drop := 0
	for ; len(f.lines)-drop > batch || drop < len(f.lines)-1 && f.size > store.PageBytes; drop++ {
		f.size -= len(f.lines[drop].text)
		f.floor = f.lines[drop].event.Id
	}
	if drop > 0 {
		f.lines = slices.Clone(f.lines[drop:])
	}
}

// rest lets a quiet feed keep nothing but its place.
func (f *feed) rest(after time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.changed) > after {
		f.lines, f.size, f.floor = nil, 0, f.head
	}
}

// take gives the follower's next events, oldest first. When there are none it gives a channel that is
// closed when there may be some.
func (fw *follower) take(ctx context.Context) (lines []line, wait <-chan struct{}, err error) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	switch {
	case fw.read < fw.from:
		return nil, fw.news, nil
	case fw.err != nil:
		return nil, nil, fw.err
	}
	if c := fw.completion; c != nil && c.event.Id <= fw.after && c.event.Id > fw.completed {
		lines = append(lines, *c)
	}
	var older []line
	if fw.after < fw.floor {
		if older, err = fw.older(ctx); err != nil {
			return nil, nil, err
		}
		lines = append(lines, older...)
	}
	if len(older) == 0 && fw.after >= fw.floor {
		for _, l := range fw.lines {
			if l.event.Id > fw.after {
				lines = append(lines, l)
			}
		}
		fw.after = max(fw.after, fw.head)
	}
	for _, l := range lines {
		if l.event.Type == "completion" {
			fw.completed = l.event.Id
		}
	}
	return lines, fw.news, nil
}

// older reads what the feed knows no more, for this follower alone.
func (fw *follower) older(ctx context.Context) ([]line, error) {
	floor := fw.floor
	fw.mu.Unlock()
	p, err := fw.of.page(ctx, fw.task, fw.after, false, false)
	fw.mu.Lock()
	if err != nil {
		return nil, err
	}
	lines := make([]line, 0, len(p.events))
	for _, e := range p.events {
		lines = append(lines, lineOf(e, fw.recoverable))
		fw.after = e.ID
	}
	if !p.more {
		fw.after = max(fw.after, floor) // what had come by then was visible, or is gone
	}
	return lines, nil
}

// lineOf writes an event as Backstage does: no id line, JSON on one line.
func lineOf(e store.Event, recoverable bool) line {
	event := Event{Id: e.ID, IsTaskRecoverable: recoverable, TaskId: e.Task, Body: e.Body, Type: e.Type, CreatedAt: moment(e.CreatedAt)}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\ndata: ", event.Type)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(event) // its body was JSON in the database; adds the first line end
	b.WriteByte('\n')
	return line{event: event, text: b.Bytes()}
}

// ends reports whether a stream is over with this event. A completion that can be followed by another
// attempt is told once on each stream; the stream stays open for what that attempt says.
func (l line) ends() bool { return l.event.Type == "completion" && !l.event.IsTaskRecoverable }

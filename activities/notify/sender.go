// Package notify carries notices to people by the channels that are configured: each of them once, by whichever server,
// for as long as it takes.
package notify

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/loop"
	"github.com/gildway/gildway/internal/notice"
)

// Outbox keeps what is to be sent. *store.Store implements it.
type Outbox interface {
	ClaimNotice(ctx context.Context, hold time.Duration) (n notice.Notice, try int, err error)
	Address(ctx context.Context, n notice.Notice, to []notice.Addressee, again time.Duration) error
	ClaimDelivery(ctx context.Context, channel string, hold time.Duration) (*notice.Delivery, error)
	Sent(ctx context.Context, d notice.Delivery) error
	Unsent(ctx context.Context, d notice.Delivery, again time.Duration, inDoubt bool, problem string) error
	GiveUp(ctx context.Context, d notice.Delivery, problem string) error
}

// Carrier takes a delivery to its address, in a form that its reader's program knows again if it comes twice. A delivery
// in doubt is looked for first, where that is possible. Its errors are faults.
type Carrier interface {
	Send(ctx context.Context, d notice.Delivery) error
}

// Channel is a way to people.
type Channel struct {
	Name      string
	Carrier   Carrier
	Kinds     []notice.Kind     // that it carries; none: all
	Rooms     map[string]string // by the ref of a group: the address where it meets
	Mailboxes bool              // a group's own e-mail address is one
}

// Options are what a Sender works with.
type Options struct {
	Outbox    Outbox
	Directory Directory
	Channels  []Channel
	TaskLink  func(task string) string // where people see a task
	// PersonalLink is where one person can decide an approval without signing in, until it ends at the latest. nil: they
	// sign in.
	PersonalLink func(person, approval string, end *time.Time) (string, error)
	Log          *slog.Logger
}

// Sender sends what is in the outbox. Several may do so side by side.
type Sender struct {
	Options
	every time.Duration // between looks at an outbox that is empty
	first time.Duration // until what failed is tried again, and twice as long after each time more
}

const (
	lookEvery  = time.Second
	firstWait  = 5 * time.Second
	longest    = 15 * time.Minute // between two tries
	mostTries  = 100              // in about a day
	sendWithin = 20 * time.Second
	held       = time.Minute      // well above sendWithin: who is late finds that its time is over and sends nothing
	restAtMost = 15 * time.Second // of a channel that is in trouble
)

// New makes a sender.
func New(o Options) *Sender { return &Sender{Options: o, every: lookEvery, first: firstWait} }

// Run sends until the context ends, and then finishes what is on its way.
func (s *Sender) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { loop.New(s.every, s.address, s.failed("notices can't be addressed yet")).Run(ctx) })
	for _, c := range s.Channels {
		line := &line{Sender: s, channel: c}
		running.Go(func() { loop.New(s.every, line.send, s.failed("notices can't be sent yet")).Run(ctx) })
	}
	running.Wait()
}

func (s *Sender) failed(what string) func(error, any) {
	return func(err error, again any) {
		s.Log.Warn(what, "error", err, "cause", fault.From(err).Cause, "again", again)
	}
}

// line is a channel with what it has come to.
type line struct {
	*Sender
	channel Channel
	quiet   time.Time // it is left alone until then
}

// send takes one delivery to its address.
func (l *line) send(ctx context.Context) (more bool, err error) {
	if time.Now().Before(l.quiet) {
		return false, nil
	}
	d, err := l.Outbox.ClaimDelivery(ctx, l.channel.Name, held)
	if err != nil || d == nil {
		return false, err
	}
	working := context.WithoutCancel(ctx) // what has begun is finished and noted
	sending, cancel := context.WithTimeout(working, sendWithin)
	defer cancel()
	failure := l.lead(sending, d)
	if failure == nil {
		failure = l.channel.Carrier.Send(sending, *d)
	}
	noting, cancel := context.WithTimeout(working, sendWithin)
	defer cancel()
	if failure == nil {
		return true, l.Outbox.Sent(noting, *d)
	}
	return true, l.unsent(noting, *d, fault.From(failure))
}

// lead gives a delivery its link. A personal one is nowhere but in the message, and goes to the address that the directory
// has for the person now, whatever the outbox says: being able to write there is not being able to approve.
func (l *line) lead(ctx context.Context, d *notice.Delivery) error {
	if d.Link == "" && d.Task != "" {
		d.Link = l.TaskLink(d.Task)
	}
	if d.Approval == "" || d.Person == "" || l.PersonalLink == nil {
		return nil
	}
	theirs, err := l.Directory.Email(ctx, d.Person)
	if err != nil {
		return err
	}
	if !strings.EqualFold(theirs, d.Address) {
		return nil
	}
	d.Link, err = l.PersonalLink(d.Person, d.Approval, d.Due)
	return err
}

func (l *line) unsent(ctx context.Context, d notice.Delivery, f *fault.Error) error {
	log := l.Log.With("channel", d.Channel, "address", d.Address, "notice", d.Key, "kind", string(f.Kind), "error", f.Public, "cause", f.Cause)
	// A credential that isn't accepted is no fault of the message: somebody is going to put it right.
	if f.Kind.Final() && f.Kind != fault.Denied || d.Try >= mostTries {
		log.Error("somebody is not told")
		return l.Outbox.GiveUp(ctx, d, f.Public)
	}
	again := max(l.wait(d.Try), f.RetryAfter)
	rest := min(again, restAtMost)
	if f.Kind == fault.RateLimited {
		rest = again
	}
	l.quiet = time.Now().Add(rest)
	log.Warn("somebody is told later", "try", d.Try, "again", again)
	inDoubt := f.Kind == fault.Unavailable || f.Kind == fault.Internal
	return l.Outbox.Unsent(ctx, d, again, inDoubt || d.InDoubt, f.Public)
}

// wait is how long after a try the next one comes.
func (s *Sender) wait(try int) time.Duration {
	return min(s.first<<min(try-1, 20), longest)
}

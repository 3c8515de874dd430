package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/store"
	"github.com/gildway/gildway/internal/store/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// directory has the addresses and the members of groups.
type directory struct {
	emails map[string]string
	groups map[string][]string
	down   func() bool
}

func (d *directory) Email(_ context.Context, ref string) (string, error) {
	if d.down != nil && d.down() {
		return "", fault.New(fault.Unavailable, "the catalog is away")
	}
	if d.emails[ref] == "" {
		return "", fault.New(fault.NotFound, "the catalog has no e-mail address for %s", ref)
	}
	return d.emails[ref], nil
}

func (d *directory) Everybody(_ context.Context, ref string) ([]string, error) {
	return d.groups[ref], nil
}

var acme = &directory{
	emails: map[string]string{"user:default/rosa": "Rosa@acme.example", "user:default/ben": "ben@acme.example", "group:default/owners": "owners@acme.example"},
	groups: map[string][]string{
		"group:default/team":   {"user:default/rosa", "user:default/ben", "user:default/nomail"},
		"group:default/crowd":  make([]string, mostMembers+1),
		"group:default/owners": {"user:default/ben"},
	},
}

// post is a channel that notes what arrives, and goes wrong as told.
type post struct {
	mu      sync.Mutex
	tries   []notice.Delivery
	arrived map[string]int
	wrong   func(d notice.Delivery) (arrives bool, err error)
}

func (p *post) Send(_ context.Context, d notice.Delivery) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries = append(p.tries, d)
	arrives, err := true, error(nil)
	if p.wrong != nil {
		arrives, err = p.wrong(d)
	}
	key := d.Key + " " + d.Address
	if arrives && (!d.InDoubt || p.arrived[key] == 0) { // what is in doubt is looked for
		if p.arrived == nil {
			p.arrived = map[string]int{}
		}
		p.arrived[key]++
	}
	return err
}

func (p *post) got() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	copied := map[string]int{}
	for k, v := range p.arrived {
		copied[k] = v
	}
	return copied
}

func open(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// run starts a sender that is in a hurry, until the test ends or somebody stops it.
func run(t *testing.T, o Options) (stop func()) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	o.TaskLink = func(task string) string { return "https://portal/" + task }
	s := New(o)
	s.every, s.first = 5*time.Millisecond, time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func told(key string, kind notice.Kind, to ...string) notice.Notice {
	return notice.Notice{Key: key, Kind: kind, To: to, Title: "Title"}
}

// settled waits until nothing waits to be sent, and gives how many were given up.
func settled(t *testing.T, db *store.Store, addressed int) (givenUp int) {
	t.Helper()
	require.Eventually(t, func() bool {
		backlogs, err := db.Backlogs(t.Context())
		require.NoError(t, err)
		waiting := 0
		givenUp = 0
		for _, b := range backlogs {
			waiting += b.Waiting
			givenUp += b.GivenUp
		}
		_, try, err := db.ClaimNotice(t.Context(), time.Millisecond)
		require.NoError(t, err)
		return waiting == 0 && try == 0 && givenUp >= addressed
	}, time.Minute, 10*time.Millisecond)
	return givenUp
}

func TestSender_WhoIsToldWhere(t *testing.T) {
	t.Parallel()
	email := Channel{Name: "email", Mailboxes: true}
	slack := Channel{Name: "slack", Rooms: map[string]string{"group:default/team": "C1"}, Kinds: []notice.Kind{notice.RunFailed}}
	for name, c := range map[string]struct {
		channel Channel
		kind    notice.Kind
		to      []string
		want    []string
		problem string
	}{
		"a person":                    {email, notice.RunFailed, []string{"user:default/rosa"}, []string{"rosa@acme.example"}, ""},
		"nobody knows them":           {email, notice.RunFailed, []string{"user:default/eve"}, nil, "no e-mail address"},
		"a group's mailbox":           {email, notice.RunFailed, []string{"group:default/owners"}, []string{"owners@acme.example"}, ""},
		"a group's mailbox, in slack": {slack, notice.RunFailed, []string{"group:default/owners"}, []string{"ben@acme.example"}, ""},
		"those of a group who have one": {
			email, notice.RunFailed, []string{"group:default/team"}, []string{"rosa@acme.example", "ben@acme.example"}, "",
		},
		"a group's room":     {slack, notice.RunFailed, []string{"group:default/team"}, []string{"C1"}, ""},
		"another kind":       {slack, notice.RunCompleted, []string{"group:default/team"}, nil, ""},
		"an empty group":     {email, notice.RunFailed, []string{"group:default/none"}, nil, "no members"},
		"too large a group":  {email, notice.RunFailed, []string{"group:default/crowd"}, nil, "too many"},
		"a program":          {email, notice.RunFailed, []string{"service:default/ci"}, nil, ""},
		"what is not a ref":  {email, notice.RunFailed, []string{"a b/c/d"}, nil, "not the ref"},
		"twice the same one": {email, notice.RunFailed, []string{"user:default/rosa", "user:default/rosa"}, []string{"rosa@acme.example", "rosa@acme.example"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Options{Directory: acme, Channels: []Channel{c.channel}, Log: slog.New(slog.DiscardHandler)})
			to, again := s.addressees(t.Context(), told("k", c.kind, c.to...), 1)
			require.Zero(t, again)
			var got []string
			for _, a := range to {
				if a.Problem == "" {
					got = append(got, a.Address)
					continue
				}
				require.NotEmpty(t, c.problem, a.Problem)
				require.Contains(t, a.Problem, c.problem)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.problem != "", slices.ContainsFunc(to, func(a notice.Addressee) bool { return a.Problem != "" }))
		})
	}
}

func TestSender_SeveralReplicas_EachToldOnce(t *testing.T) {
	t.Parallel()
	db, box := open(t), &post{}
	o := Options{Outbox: db, Directory: acme, Channels: []Channel{{Name: "email", Carrier: box, Mailboxes: true}}}
	for range 3 {
		run(t, o)
	}
	want := map[string]int{}
	for i := range 20 {
		key := fmt.Sprint("k", i)
		require.NoError(t, db.Notify(t.Context(), told(key, notice.RunFailed, "user:default/rosa", "group:default/team")))
		want[key+" rosa@acme.example"], want[key+" ben@acme.example"] = 1, 1
	}
	require.Eventually(t, func() bool { return len(box.got()) == len(want) }, time.Minute, 10*time.Millisecond)
	require.Zero(t, settled(t, db, 0))
	require.Equal(t, want, box.got())
}

func TestSender_Trouble_ToldOnceOrGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wrong   func(try int) (arrives bool, err error)
		arrives int
		tries   int
		doubt   bool // at the last try
	}{
		"away for a while": {func(try int) (bool, error) {
			return try > 2, unless(try > 2, fault.New(fault.Unavailable, "away"))
		}, 1, 3, true},
		"too fast": {func(try int) (bool, error) {
			return try > 1, unless(try > 1, &fault.Error{Kind: fault.RateLimited, Public: "slow down", RetryAfter: 20 * time.Millisecond})
		}, 1, 2, false},
		"arrived, and the answer was lost": {func(try int) (bool, error) {
			return true, unless(try > 1, fault.New(fault.Unavailable, "lost"))
		}, 1, 2, true},
		"a credential that is put right": {func(try int) (bool, error) {
			return try > 1, unless(try > 1, fault.New(fault.Denied, "who are you"))
		}, 1, 2, false},
		"never":               {func(int) (bool, error) { return false, fault.New(fault.NotFound, "no such mailbox") }, 0, 1, false},
		"what isn't a fault":  {func(try int) (bool, error) { return try > 1, unless(try > 1, errors.New("bug")) }, 1, 2, true},
		"lost, and then slow": {lostThenSlow, 1, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			box := &post{wrong: func(d notice.Delivery) (bool, error) { return c.wrong(d.Try) }}
			o := Options{Outbox: db, Directory: acme, Channels: []Channel{{Name: "email", Carrier: box}}}
			run(t, o)
			run(t, o)
			require.NoError(t, db.Notify(t.Context(), told("k", notice.RunFailed, "user:default/rosa")))
			require.Eventually(t, func() bool { box.mu.Lock(); defer box.mu.Unlock(); return len(box.tries) == c.tries }, time.Minute, 5*time.Millisecond)
			require.Equal(t, 1-c.arrives, settled(t, db, 1-c.arrives))
			require.Equal(t, c.arrives, box.got()["k rosa@acme.example"])
			require.Len(t, box.tries, c.tries)
			require.Equal(t, c.doubt, box.tries[c.tries-1].InDoubt)
		})
	}
}

// lostThenSlow loses an answer, and is refused the next time: it stays in doubt.
func lostThenSlow(try int) (bool, error) {
	switch try {
	case 1:
		return true, fault.New(fault.Unavailable, "lost")
	case 2:
		return false, &fault.Error{Kind: fault.RateLimited, Public: "slow down", RetryAfter: time.Millisecond}
	default:
		return true, nil
	}
}

func unless(good bool, err error) error {
	if good {
		return nil
	}
	return err
}

// Whoever is killed between sending and noting it leaves a delivery in doubt, which is looked for before it is sent again.
func TestSender_KilledBetweenSendingAndNoting_ToldOnce(t *testing.T) {
	t.Parallel()
	db, box := open(t), &post{}
	n := told("k", notice.RunFailed, "user:default/rosa")
	require.NoError(t, db.Notify(t.Context(), n))
	require.NoError(t, db.Address(t.Context(), n, []notice.Addressee{{Channel: "email", Address: "rosa@acme.example"}}, 0))
	d, err := db.ClaimDelivery(t.Context(), "email", 50*time.Millisecond)
	require.NoError(t, err)
	require.NoError(t, box.Send(t.Context(), *d)) // and dies
	run(t, Options{Outbox: db, Directory: acme, Channels: []Channel{{Name: "email", Carrier: box}}})
	require.Eventually(t, func() bool { box.mu.Lock(); defer box.mu.Unlock(); return len(box.tries) == 2 }, time.Minute, 5*time.Millisecond)
	require.Zero(t, settled(t, db, 0))
	require.True(t, box.tries[1].InDoubt)
	require.Equal(t, map[string]int{"k rosa@acme.example": 1}, box.got())
}

func TestSender_CatalogAway_ToldWhenItIsBack(t *testing.T) {
	t.Parallel()
	db, box := open(t), &post{}
	asked := 0
	away := &directory{emails: acme.emails, groups: acme.groups, down: func() bool { asked++; return asked <= 3 }}
	run(t, Options{Outbox: db, Directory: away, Channels: []Channel{{Name: "email", Carrier: box}}})
	require.NoError(t, db.Notify(t.Context(), told("k", notice.RunFailed, "user:default/rosa", "user:default/ben")))
	require.Eventually(t, func() bool { return len(box.got()) == 2 }, time.Minute, 5*time.Millisecond)
	require.Zero(t, settled(t, db, 0))
	require.Equal(t, map[string]int{"k rosa@acme.example": 1, "k ben@acme.example": 1}, box.got())
}

func TestSender_NoChannel_NothingPilesUp(t *testing.T) {
	t.Parallel()
	db := open(t)
	stop := run(t, Options{Outbox: db, Directory: acme})
	require.NoError(t, db.Notify(t.Context(), told("k", notice.RunFailed, "user:default/rosa")))
	settled(t, db, 0)
	stop()
	box := &post{}
	run(t, Options{Outbox: db, Directory: acme, Channels: []Channel{{Name: "email", Carrier: box}}})
	require.NoError(t, db.Notify(t.Context(), told("later", notice.RunFailed, "user:default/rosa")))
	require.Eventually(t, func() bool { return box.got()["later rosa@acme.example"] == 1 }, time.Minute, 5*time.Millisecond)
	require.Len(t, box.got(), 1)
}

func TestSender_Link(t *testing.T) {
	t.Parallel()
	db, box := open(t), &post{}
	task, err := db.CreateTask(t.Context(), store.NewTask{ID: "0e4d6a5c-5f6c-4d8e-9a50-4c2a5b7c9d11", TemplateRef: "template:default/x", CreatedBy: "user:default/rosa", Spec: []byte("{}"), Run: []byte("{}")})
	require.NoError(t, err)
	run(t, Options{Outbox: db, Directory: acme, Channels: []Channel{{Name: "email", Carrier: box}}})
	for key, link := range map[string]string{"run": "", "gate": "https://gildway/approvals/1"} {
		n := told(key, notice.RunFailed, "user:default/rosa")
		n.Task, n.Link = task, link
		require.NoError(t, db.Notify(t.Context(), n))
	}
	require.Eventually(t, func() bool { return len(box.got()) == 2 }, time.Minute, 5*time.Millisecond)
	links := map[string]string{}
	for _, d := range box.tries {
		links[d.Key] = d.Link
	}
	require.Equal(t, map[string]string{"run": "https://portal/" + task, "gate": "https://gildway/approvals/1"}, links)
}

// What one person alone reads of an approval holds a link of theirs, which is kept nowhere.
func TestSender_PersonalLink_ToAPersonsOwnAddressAlone(t *testing.T) {
	t.Parallel()
	db, box := open(t), &post{}
	run(t, Options{
		Outbox: db, Directory: acme,
		Channels: []Channel{
			{Name: "email", Carrier: box, Mailboxes: true},
			{Name: "slack", Carrier: box, Rooms: map[string]string{"group:default/team": "C1"}},
		},
		PersonalLink: func(person, approval string, end *time.Time) (string, error) {
			require.NotNil(t, end)
			return "https://gildway/for/" + person + "/" + approval, nil
		},
	})
	due := time.Now().Add(time.Hour)
	n := told("asked", notice.ApprovalOpened, "user:default/rosa", "group:default/team", "group:default/owners")
	n.Approval, n.Link, n.Due = "gate-1", "https://gildway/gate-1", &due
	require.NoError(t, db.Notify(t.Context(), n))
	want := map[string]string{
		"email rosa@acme.example": "https://gildway/for/user:default/rosa/gate-1", "slack rosa@acme.example": "https://gildway/for/user:default/rosa/gate-1",
		"email ben@acme.example": "https://gildway/for/user:default/ben/gate-1", "slack ben@acme.example": "https://gildway/for/user:default/ben/gate-1",
		"email owners@acme.example": "https://gildway/gate-1", "slack C1": "https://gildway/gate-1",
	}
	got := map[string]string{}
	require.Eventually(t, func() bool {
		box.mu.Lock()
		defer box.mu.Unlock()
		for _, d := range box.tries {
			got[d.Channel+" "+d.Address] = d.Link
		}
		return len(got) == len(want)
	}, time.Minute, 5*time.Millisecond)
	require.Equal(t, want, got)

	// Whoever can write to the outbox gets no link of somebody else's.
	forged := told("forged", notice.ApprovalOpened, "user:default/rosa")
	forged.Approval, forged.Link, forged.Due = "gate-1", "https://gildway/gate-1", &due
	require.NoError(t, db.Notify(t.Context(), forged))
	require.NoError(t, db.Address(t.Context(), forged, []notice.Addressee{{Channel: "email", Address: "eve@evil.example", Person: "user:default/rosa"}}, 0))
	require.Eventually(t, func() bool { return box.got()["forged eve@evil.example"] == 1 }, time.Minute, 5*time.Millisecond)
	box.mu.Lock()
	defer box.mu.Unlock()
	for _, d := range box.tries {
		if d.Address == "eve@evil.example" {
			require.Equal(t, "https://gildway/gate-1", d.Link)
		}
	}

	notices, err := db.Notices(t.Context(), n.To, 0, 10)
	require.NoError(t, err)
	require.Equal(t, n.Link, notices[0].Link)
}

func TestSender_Waits_LongerEachTimeAndAtMostADay(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	var all time.Duration
	for try := 1; try <= mostTries; try++ {
		require.GreaterOrEqual(t, s.wait(try), s.wait(max(try-1, 1)))
		all += s.wait(try)
	}
	require.Equal(t, firstWait, s.wait(1))
	require.Equal(t, longest, s.wait(mostTries))
	require.InDelta(t, 24, all.Hours(), 3)
	require.Greater(t, held, 2*sendWithin)
}

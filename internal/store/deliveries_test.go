package store

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gildway/gildway/internal/audit"
	"github.com/gildway/gildway/internal/notice"
)

const forAWhile = time.Minute

// addressed is a notice with deliveries.
func addressed(t *testing.T, s *Store, key string, to ...notice.Addressee) notice.Notice {
	t.Helper()
	n := notice.Notice{Key: key, Kind: notice.RunFailed, To: []string{"user:default/rosa"}, Title: "It has failed", Text: "why"}
	require.NoError(t, s.Notify(t.Context(), n))
	require.NoError(t, s.Address(t.Context(), n, to, 0))
	return n
}

func TestDeliveries_FromNoticeToSent(t *testing.T) {
	t.Parallel()
	s := open(t)
	due := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	n := notice.Notice{Key: "a", Kind: notice.ApprovalOpened, To: []string{"user:default/rosa"}, Title: "Decide", Text: "why", Link: "https://x", Due: &due}
	require.NoError(t, s.Notify(t.Context(), n))

	got, try, err := s.ClaimNotice(t.Context(), forAWhile)
	require.NoError(t, err)
	require.Equal(t, 1, try)
	got.Due = &due
	require.Equal(t, n, got)
	_, try, err = s.ClaimNotice(t.Context(), forAWhile)
	require.NoError(t, err)
	require.Zero(t, try, "somebody holds it")

	to := []notice.Addressee{{Channel: "email", Address: "rosa@acme.example"}, {Channel: "slack", Address: "C1"}}
	require.NoError(t, s.Address(t.Context(), n, to[:1], time.Nanosecond)) // the rest is not known yet
	_, try, err = s.ClaimNotice(t.Context(), forAWhile)
	require.NoError(t, err)
	require.Equal(t, 2, try)
	for range 2 {
		require.NoError(t, s.Address(t.Context(), n, to, 0))
	}
	_, try, err = s.ClaimNotice(t.Context(), 0)
	require.NoError(t, err)
	require.Zero(t, try, "it is addressed")
	backlogs, err := s.Backlogs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []notice.Backlog{{Channel: "email", Waiting: 1}, {Channel: "slack", Waiting: 1}}, backlogs)

	d, err := s.ClaimDelivery(t.Context(), "email", forAWhile)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), d.Since, time.Minute)
	d.Since, d.Due = time.Time{}, &due
	require.Equal(t, &notice.Delivery{Notice: n, Channel: "email", Address: "rosa@acme.example", Try: 1}, d)
	none, err := s.ClaimDelivery(t.Context(), "email", forAWhile)
	require.NoError(t, err)
	require.Nil(t, none)
	require.NoError(t, s.Sent(t.Context(), *d))
	require.NoError(t, s.Unsent(t.Context(), *d, 0, true, "too late"))
	none, err = s.ClaimDelivery(t.Context(), "email", forAWhile)
	require.NoError(t, err)
	require.Nil(t, none, "what is sent stays sent")
	backlogs, err = s.Backlogs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []notice.Backlog{{Channel: "slack", Waiting: 1}}, backlogs)
}

func TestDeliveries_WhoeverDiedHoldingOne_LeavesItInDoubt(t *testing.T) {
	t.Parallel()
	s := open(t)
	addressed(t, s, "a", notice.Addressee{Channel: "slack", Address: "C1"})
	dead, err := s.ClaimDelivery(t.Context(), "slack", 0) // its time is over at once
	require.NoError(t, err)
	require.False(t, dead.InDoubt)
	again, err := s.ClaimDelivery(t.Context(), "slack", forAWhile)
	require.NoError(t, err)
	require.True(t, again.InDoubt)
	require.Equal(t, 2, again.Try)

	require.NoError(t, s.Unsent(t.Context(), *dead, 0, false, "from the dead"))
	require.NoError(t, s.GiveUp(t.Context(), *dead, "from the dead"))
	none, err := s.ClaimDelivery(t.Context(), "slack", forAWhile)
	require.NoError(t, err)
	require.Nil(t, none, "it is somebody else's now")
	require.NoError(t, s.Unsent(t.Context(), *again, 0, false, "it certainly did not arrive"))
	third, err := s.ClaimDelivery(t.Context(), "slack", forAWhile)
	require.NoError(t, err)
	require.False(t, third.InDoubt)
	require.NoError(t, s.Sent(t.Context(), *dead), "late, and true all the same")
	backlogs, err := s.Backlogs(t.Context())
	require.NoError(t, err)
	require.Empty(t, backlogs)
}

func TestDeliveries_GivenUp_CountedAndAudited(t *testing.T) {
	t.Parallel()
	s := open(t)
	addressed(t, s, "a", notice.Addressee{Channel: "email", Address: "user:default/eve", Problem: "nobody knows her address"},
		notice.Addressee{Channel: "email", Address: "old@acme.example"})
	d, err := s.ClaimDelivery(t.Context(), "email", forAWhile)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.GiveUp(t.Context(), *d, "the mailbox is gone"))
	}
	backlogs, err := s.Backlogs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []notice.Backlog{{Channel: "email", GivenUp: 2}}, backlogs)
	leaves, err := s.AuditLeaves(t.Context(), 0, 100)
	require.NoError(t, err)
	var told []string
	for _, l := range leaves {
		var e audit.Entry
		require.NoError(t, json.Unmarshal(l.Body, &e))
		require.Equal(t, "notice-undelivered", e.Kind)
		told = append(told, fmt.Sprint(e.Data["address"], ": ", e.Data["problem"]))
	}
	require.Equal(t, []string{"user:default/eve: nobody knows her address", "old@acme.example: the mailbox is gone"}, told)
}

func TestDeliveries_ManyWorkers_EachSentByOne(t *testing.T) {
	t.Parallel()
	s := open(t)
	const letters, workers = 40, 8
	var to []notice.Addressee
	for i := range letters {
		to = append(to, notice.Addressee{Channel: "email", Address: fmt.Sprintf("p%d@acme.example", i)})
	}
	addressed(t, s, "a", to...)
	var mu sync.Mutex
	sent := map[string]int{}
	var all errgroup.Group
	for range workers {
		all.Go(func() error {
			for {
				d, err := s.ClaimDelivery(t.Context(), "email", forAWhile)
				if err != nil || d == nil {
					return err
				}
				mu.Lock()
				sent[d.Address]++
				mu.Unlock()
				if err := s.Sent(t.Context(), *d); err != nil {
					return err
				}
			}
		})
	}
	require.NoError(t, all.Wait())
	require.Len(t, sent, letters)
	for address, times := range sent {
		require.Equal(t, 1, times, address)
	}
}

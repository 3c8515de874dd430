package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

const day = 24 * time.Hour

// renewals collects what became of the wishes to renew.
type renewals struct {
	until   []time.Time
	refused []error
}

// at asks for a renewal some time after the start.
func (r *renewals) at(env *testsuite.TestWorkflowEnvironment, lease, by string, after time.Duration) {
	env.RegisterDelayedCallback(func() {
		err := env.UpdateWorkflowByID(lease, activities.RenewMessage, fmt.Sprint(lease, after), &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { r.refused = append(r.refused, err) },
			OnComplete: func(answer any, err error) {
				if err != nil {
					r.refused = append(r.refused, err)
					return
				}
				r.until = append(r.until, answer.(activities.RenewedLease).Expires)
			},
		}, activities.RenewLease{Statement: by})
		if err != nil {
			r.refused = append(r.refused, err)
		}
	}, after)
}

func renewable(id string, ttl, most, remind time.Duration) plan.Step {
	s := leased(id, ttl)
	s.Lease.Renewable, s.Lease.MaxTTL, s.Lease.RemindBefore = true, plan.Duration(most), plan.Duration(remind)
	return s
}

// A lease of the year: renewed on these days, it must remind and end on those.
type yearLease struct {
	ttl, most, remind int // days
	renew             []int
	reminds           []int
	ends              int
}

// The table is counted by hand, in days after the grant.
var year = map[string]yearLease{
	"week":            {ttl: 7, remind: 2, reminds: []int{5}, ends: 7},
	"month":           {ttl: 30, remind: 7, reminds: []int{23}, ends: 30},
	"quarter":         {ttl: 90, remind: 7, reminds: []int{83}, ends: 90},
	"whole-year":      {ttl: 365, remind: 30, reminds: []int{335}, ends: 365},
	"silent":          {ttl: 60, ends: 60},
	"renewed-once":    {ttl: 30, remind: 7, renew: []int{25}, reminds: []int{23, 48}, ends: 55},
	"renewed-early":   {ttl: 30, remind: 7, renew: []int{10}, reminds: []int{33}, ends: 40},
	"renewed-monthly": {ttl: 30, remind: 3, renew: []int{28, 56, 84}, reminds: []int{27, 55, 83, 111}, ends: 114},
	"bounded":         {ttl: 90, most: 180, remind: 14, renew: []int{80, 160}, reminds: []int{76, 156, 166}, ends: 180},
	"over-spring":     {ttl: 14, remind: 1, renew: []int{12, 24, 36, 48, 60, 72, 84, 96}, reminds: []int{109}, ends: 110},
}

// It begins at nine in the morning, in a winter that Berlin and New York leave on different days.
func TestLeases_AYear_EachRemindedRenewedAndEndedOnItsDay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/New_York"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			local, err := time.LoadLocation(zone)
			require.NoError(t, err)
			env, w := environment(t)
			env.SetTestTimeout(2 * time.Minute)
			start := time.Date(2027, 1, 4, 9, 0, 0, 0, local)
			env.SetStartTime(start)
			var steps []plan.Step
			var asked renewals
			names := slices.Sorted(func(yield func(string) bool) {
				for name := range year {
					if !yield(name) {
						return
					}
				}
			})
			wished := 0
			for _, name := range names {
				l := year[name]
				steps = append(steps, renewable(name, time.Duration(l.ttl)*day, time.Duration(l.most)*day, time.Duration(l.remind)*day))
				for _, d := range l.renew {
					asked.at(env, "lease/"+task+"/"+name, requester, time.Duration(d)*day)
					wished++
				}
			}
			in := runOf(plan.DAG, steps...)
			in.Plan.Parallel = len(steps)
			env.ExecuteWorkflow("sample", in)
			require.NoError(t, env.GetWorkflowError())

			require.Empty(t, asked.refused)
			require.Len(t, asked.until, wished)
			require.Len(t, w.renewed, wished)
			reminded, ended := map[string][]int{}, map[string]int{}
			after := func(at time.Time) int { // in days of the calendar on the wall, not of 24 hours
				at = at.In(local)
				a := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
				b := time.Date(2027, 1, 4, 0, 0, 0, 0, time.UTC)
				return int(a.Sub(b) / day)
			}
			for i, r := range w.reminded {
				name := r.ID[len("lease/"+task+"/"):]
				reminded[name] = append(reminded[name], after(w.remindedAt[i]))
				require.WithinDuration(t, r.Expires.Add(-time.Duration(year[name].remind)*day), w.remindedAt[i], time.Minute, name)
			}
			for _, e := range w.ended {
				name := e.ID[len("lease/"+task+"/"):]
				require.NotContains(t, ended, name, "ends once")
				require.Equal(t, "expired", e.State)
				ended[name] = after(e.At)
				require.WithinDuration(t, start.Add(time.Duration(year[name].ends)*day), e.At, time.Minute, "a day is 24 hours: %s", name)
			}
			for name, want := range year {
				require.Equal(t, want.reminds, reminded[name], name)
				require.Equal(t, want.ends, ended[name], name)
			}
			require.Len(t, w.called("undo"), len(year), "each is taken back once")
		})
	}
}

func TestLease_Renewal_OnlyAsAllowed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step  plan.Step
		by    string
		after time.Duration
		kind  fault.Kind
		says  string
	}{
		"a stranger":     {renewable("a", 30*day, 0, 0), "user:default/eve", day, fault.Denied, "user:default/eve may not renew this access"},
		"not renewable":  {leased("a", 30*day), requester, day, fault.Conflict, "this access can't be renewed; ask for it anew"},
		"as long as can": {renewable("a", 30*day, 30*day, 0), requester, day, fault.Conflict, "this access can't last longer than until"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			var asked renewals
			start := env.Now()
			asked.at(env, "lease/"+task+"/a", c.by, c.after)
			env.ExecuteWorkflow("sample", runOf(plan.DAG, c.step))
			require.NoError(t, env.GetWorkflowError())
			require.Len(t, asked.refused, 1)
			f := fault.Unseal(asked.refused[0])
			require.Equal(t, c.kind, f.Kind)
			require.Contains(t, f.Public, c.says)
			require.Empty(t, w.renewed)
			require.WithinDuration(t, start.Add(30*day), w.ended[0].At, time.Minute)
		})
	}
}

// What ends by itself is prolonged before its lease is, and the lease ends on time if that fails.
func TestLease_ActionEndsByItself_IsProlongedFirst(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"prolonged": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t)
			var prolonged []activities.UndoInvocation
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.UndoInvocation) (json.RawMessage, error) {
				if down {
					return nil, fault.Seal(fault.New(fault.Conflict, "the key was rotated"))
				}
				prolonged = append(prolonged, in)
				return json.RawMessage(`{"did":"again"}`), nil
			}, activity.RegisterOptions{Name: activities.RenewActivity("test:do")})
			s := renewable("a", 30*day, 0, 0)
			s.Renews = true
			var asked renewals
			start := env.Now()
			asked.at(env, "lease/"+task+"/a", requester, 20*day)
			env.ExecuteWorkflow("sample", runOf(plan.DAG, s))
			require.NoError(t, env.GetWorkflowError())
			if down {
				require.Len(t, asked.refused, 1)
				require.WithinDuration(t, start.Add(30*day), w.ended[0].At, time.Minute)
				return
			}
			require.Empty(t, asked.refused)
			require.WithinDuration(t, start.Add(50*day), *prolonged[0].LeaseEnds, time.Minute)
			require.JSONEq(t, `{"did":"a"}`, string(prolonged[0].Output))
			require.WithinDuration(t, start.Add(50*day), w.ended[0].At, time.Minute)
			require.JSONEq(t, `{"did":"again"}`, string(w.undone[0].Output), "what is taken back is what there is")
		})
	}
}

package plan_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gildway/gildway/internal/plan"
)

const asker = "user:default/rosa"

func said(by string, v plan.Verdict, stage int, as ...string) plan.Decision {
	return plan.Decision{By: by, As: append(as, by)[0], Verdict: v, Stage: stage}
}

func TestDecide_Rules(t *testing.T) {
	t.Parallel()
	const a, b, c, d = "user:default/a", "user:default/b", "user:default/c", "user:default/d"
	const left, right = "group:default/left", "group:default/right"
	two := plan.Approval{Required: 2, Approvers: []string{left}}
	most := plan.Approval{Rule: plan.Majority, Of: 4, Approvers: []string{left}}
	each := plan.Approval{Rule: plan.EachOne, Approvers: []string{left, right}}
	stages := plan.Approval{Stages: []plan.Stage{{Approvers: []string{left}}, {Approvers: []string{right}}}}
	distinct := stages
	distinct.Distinct = true
	const boss = "user:default/boss"
	escalated := each
	escalated.EscalateTo = []string{boss}
	escalated = escalated.Escalated()
	inPlace := func(by, of string, v plan.Verdict, stage int) plan.Decision {
		d := said(by, v, stage, left)
		d.For = of
		return d
	}
	for name, c := range map[string]struct {
		rule plan.Approval
		said []plan.Decision
		want plan.Outcome
	}{
		"nobody yet":                         {two, nil, plan.Pending},
		"one of two":                         {two, []plan.Decision{said(a, plan.Approve, 0)}, plan.Pending},
		"one person twice":                   {two, []plan.Decision{said(a, plan.Approve, 0), said(a, plan.Approve, 0)}, plan.Pending},
		"two of two":                         {two, []plan.Decision{said(a, plan.Approve, 0), said(b, plan.Approve, 0)}, plan.Approved},
		"a veto":                             {two, []plan.Decision{said(a, plan.Approve, 0), said(b, plan.Approve, 0), said(c, plan.Reject, 0)}, plan.Rejected},
		"the requester":                      {two, []plan.Decision{said(asker, plan.Approve, 0), said(a, plan.Approve, 0)}, plan.Pending},
		"the requester can't reject":         {two, []plan.Decision{said(asker, plan.Reject, 0)}, plan.Pending},
		"delegating is no approval":          {two, []plan.Decision{said(a, plan.Delegate, 0), said(b, plan.Approve, 0)}, plan.Pending},
		"half is no majority":                {most, []plan.Decision{said(a, plan.Approve, 0), said(b, plan.Approve, 0)}, plan.Pending},
		"a majority, in spite of one":        {most, []plan.Decision{said(a, plan.Approve, 0), said(d, plan.Reject, 0), said(b, plan.Approve, 0), said(c, plan.Approve, 0)}, plan.Approved},
		"no majority any more":               {most, []plan.Decision{said(a, plan.Reject, 0), said(b, plan.Reject, 0)}, plan.Rejected},
		"one group of two":                   {each, []plan.Decision{said(a, plan.Approve, 0, left), said(b, plan.Approve, 0, left)}, plan.Pending},
		"both groups":                        {each, []plan.Decision{said(a, plan.Approve, 0, left), said(b, plan.Approve, 0, right)}, plan.Approved},
		"both groups, escalated":             {escalated, []plan.Decision{said(a, plan.Approve, 0, left), said(b, plan.Approve, 0, right)}, plan.Approved},
		"one group, escalated":               {escalated, []plan.Decision{said(a, plan.Approve, 0, left)}, plan.Pending},
		"who is escalated to, for the rest":  {escalated, []plan.Decision{said(a, plan.Approve, 0, left), said(boss, plan.Approve, 0)}, plan.Approved},
		"who is escalated to says no":        {escalated, []plan.Decision{said(boss, plan.Reject, 0)}, plan.Rejected},
		"the first stage":                    {stages, []plan.Decision{said(a, plan.Approve, 0)}, plan.Pending},
		"both stages":                        {stages, []plan.Decision{said(a, plan.Approve, 0), said(a, plan.Approve, 1)}, plan.Approved},
		"a later stage doesn't help earlier": {stages, []plan.Decision{said(a, plan.Approve, 1)}, plan.Pending},
		"rejected in the second":             {stages, []plan.Decision{said(a, plan.Approve, 0), said(b, plan.Reject, 1)}, plan.Rejected},
		"one person in both, of distinct":    {distinct, []plan.Decision{said(a, plan.Approve, 0), said(a, plan.Approve, 1)}, plan.Pending},
		"two people, of distinct":            {distinct, []plan.Decision{said(a, plan.Approve, 0), said(b, plan.Approve, 1)}, plan.Approved},
		"two, one in another's place":        {two, []plan.Decision{inPlace(c, a, plan.Approve, 0), said(b, plan.Approve, 0)}, plan.Approved},
		"one, and another in their place":    {two, []plan.Decision{said(a, plan.Approve, 0), inPlace(b, a, plan.Approve, 0)}, plan.Pending},
		"two in one's place":                 {two, []plan.Decision{inPlace(b, a, plan.Approve, 0), inPlace(c, a, plan.Approve, 0)}, plan.Pending},
		"one in the place of two":            {two, []plan.Decision{inPlace(c, a, plan.Approve, 0), inPlace(c, b, plan.Approve, 0)}, plan.Pending},
		"one's own and a lent voice":         {two, []plan.Decision{said(c, plan.Approve, 0), inPlace(c, a, plan.Approve, 0)}, plan.Pending},
		"a chain that closes late":           {two, []plan.Decision{said(a, plan.Approve, 0), said(b, plan.Approve, 0), inPlace(b, a, plan.Approve, 0)}, plan.Pending},
		"in the requester's place":           {two, []plan.Decision{said(a, plan.Approve, 0), inPlace(b, asker, plan.Approve, 0)}, plan.Pending},
		"a majority of lent voices":          {most, []plan.Decision{said(a, plan.Approve, 0), inPlace(b, a, plan.Approve, 0), said(c, plan.Approve, 0)}, plan.Pending},
		"no, twice, is no majority":          {most, []plan.Decision{said(a, plan.Reject, 0), inPlace(b, a, plan.Reject, 0)}, plan.Pending},
		"no, and yes in their place":         {most, []plan.Decision{said(a, plan.Reject, 0), inPlace(b, a, plan.Approve, 0), said(c, plan.Approve, 0), said(d, plan.Approve, 0)}, plan.Pending},
		"distinct, lent in the second":       {distinct, []plan.Decision{said(a, plan.Approve, 0), inPlace(b, a, plan.Approve, 1)}, plan.Pending},
		"distinct, lent in the first":        {distinct, []plan.Decision{inPlace(b, a, plan.Approve, 0), said(a, plan.Approve, 1)}, plan.Pending},
		"distinct, who lent it in the first": {distinct, []plan.Decision{inPlace(b, a, plan.Approve, 0), said(b, plan.Approve, 1)}, plan.Pending},
		"distinct, both lent":                {distinct, []plan.Decision{inPlace(b, a, plan.Approve, 0), inPlace(d, c, plan.Approve, 1)}, plan.Approved},
	} {
		require.Equal(t, c.want, c.rule.Decide(asker, c.said), name)
	}
	require.Equal(t, 1, stages.Stage(asker, []plan.Decision{said(a, plan.Approve, 0)}))
	require.Equal(t, []string{left, right, a}, append(stages.Everybody(), a))
	late := plan.Approval{OnTimeout: plan.EscalateLate, Approvers: []string{left}, EscalateTo: []string{right, left}}
	require.Equal(t, []string{left, right}, late.Escalated().Approvers)
	require.Equal(t, []string{left}, late.Approvers)
	require.Equal(t, []string{right}, late.Escalated().StandIns)
	yes, needed := escalated.Approvals(0, asker, nil)
	require.Equal(t, []int{0, 2}, []int{yes, needed}, "who is escalated to is not needed")
}

func drawApproval(t *rapid.T) plan.Approval {
	stage := func() plan.Stage {
		s := plan.Stage{Rule: rapid.SampledFrom([]plan.Rule{plan.Quorum, plan.Majority, plan.EachOne}).Draw(t, "rule")}
		s.Required, s.Of = rapid.IntRange(0, 4).Draw(t, "required"), rapid.IntRange(1, 6).Draw(t, "of")
		s.Approvers = rapid.SliceOfNDistinct(rapid.SampledFrom(refs), 1, 3, rapid.ID).Draw(t, "approvers")
		return s
	}
	a := plan.Approval{Distinct: rapid.Bool().Draw(t, "distinct")}
	for range rapid.IntRange(1, 3).Draw(t, "stages") {
		a.Stages = append(a.Stages, stage())
	}
	return a
}

var refs = []string{"group:default/x", "group:default/y", "user:default/a", "user:default/b"}

func drawDecisions(t *rapid.T) []plan.Decision {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plan.Decision {
		return plan.Decision{
			By:      rapid.SampledFrom([]string{asker, "user:default/a", "user:default/b", "user:default/c", "user:default/d", "user:default/e"}).Draw(t, "by"),
			For:     rapid.SampledFrom([]string{"", "", asker, "user:default/a", "user:default/b", "user:default/c"}).Draw(t, "for"),
			As:      rapid.SampledFrom(refs).Draw(t, "as"),
			Verdict: rapid.SampledFrom([]plan.Verdict{plan.Approve, plan.Approve, plan.Reject, plan.Delegate}).Draw(t, "verdict"),
			Stage:   rapid.IntRange(0, 2).Draw(t, "stage"),
		}
	}), 0, 8).Draw(t, "decisions")
}

func TestDecide_AnyOrder_SameOutcome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, all := drawApproval(t), drawDecisions(t)
		want := a.Decide(asker, all)
		require.Equal(t, want, a.Decide(asker, rapid.Permutation(all).Draw(t, "permuted")))
		require.Equal(t, want, a.Decide(asker, append(slices.Clone(all), all...)), "said twice is said once")
	})
}

func TestDecide_Requester_NeverCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, all := drawApproval(t), drawDecisions(t)
		others := slices.DeleteFunc(slices.Clone(all), func(d plan.Decision) bool { return d.By == asker || d.For == asker })
		require.Equal(t, a.Decide(asker, others), a.Decide(asker, all))
	})
}

// Whatever one person alone says, or others say in their place, can't approve what more than one must.
func TestDecide_OnePerson_IsNoTwo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := drawDecisions(t)
		for i := range all {
			if rapid.Bool().Draw(t, "themselves") {
				all[i].By = "user:default/a"
			} else {
				all[i].For = "user:default/a"
			}
		}
		require.NotEqual(t, plan.Approved, plan.Approval{Required: 2, Approvers: refs}.Decide(asker, all))
	})
}

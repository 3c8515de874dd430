package identity

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPolicy_WithoutAFile_AsItIsBuiltIn(t *testing.T) {
	t.Parallel()
	policy := NewPolicy([]string{"group:default/admins"}, []string{"group:default/auditors", "user:default/olga"}, OpenToEveryone())
	task := Resource{
		Template: "template:default/noop", Owner: "group:default/owners",
		Requester: "user:default/rosa", Approvers: []string{"group:default/leads", "user:default/ben", "user:default/rosa"},
	}
	person := func(ref string, groups ...string) Principal {
		return Principal{Ref: ref, Groups: groups, Kind: User}
	}
	everybody := []Action{See, Run, DryRun}
	for name, c := range map[string]struct {
		who  Principal
		want []Action
	}{
		"requester":         {person("user:default/rosa"), []Action{See, Run, DryRun, Read, Cancel, Retry, Rollback, Collect, Renew, Revoke}},
		"stranger":          {person("user:default/eve"), everybody},
		"approver":          {person("user:default/ben"), []Action{See, Run, DryRun, Read, Renew, Approve}},
		"approving group":   {person("user:default/x", "group:default/leads"), []Action{See, Run, DryRun, Read, Renew, Approve}},
		"owner":             {person("user:default/x", "group:default/owners"), []Action{See, Run, DryRun, Read, Rollback, Renew, Revoke}},
		"auditor":           {person("user:default/x", "group:default/auditors"), []Action{See, Read, Audit}},
		"named auditor":     {person("user:default/olga"), []Action{See, Read, Audit}},
		"auditor as leader": {person("user:default/olga", "group:default/leads"), []Action{See, Read, Audit}},
		"admin":             {person("user:default/x", "group:default/admins"), []Action{See, Run, DryRun, Read, Cancel, Retry, Rollback, Revoke, Audit, Manage}},
		"admin and auditor": {person("user:default/olga", "group:default/admins"), []Action{See, Run, DryRun, Read, Cancel, Retry, Rollback, Revoke, Audit, Manage}},
		"limited token":     {Principal{Ref: "user:default/rosa", Kind: User, Only: []Action{Read}}, []Action{Read}},
		"service":           {Principal{Ref: "service:default/portal", Kind: Service}, nil},
		"nobody":            {Principal{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var may []Action
			for _, do := range Actions {
				if policy.Allows(c.who, do, task) {
					may = append(may, do)
				}
			}
			require.Equal(t, c.want, may)
			require.False(t, policy.Allows(c.who, "anything else", task))
		})
	}
}

func TestPolicy_Rules_Decide(t *testing.T) {
	t.Parallel()
	policy := NewPolicy([]string{"group:default/admins"}, nil, []Rule{
		{Who: []string{"group:default/pay"}, May: []Action{See, Run}, On: Selector{Templates: []string{"template:default/pay-*"}}},
		{Who: []string{Everyone}, May: []Action{See}, On: Selector{Tags: []string{"public"}}},
		{Who: []string{"service:default/ci"}, May: []Action{Run}, On: Selector{Owners: []string{"group:default/pay"}, Tags: []string{"ci"}}},
		{Who: []string{"group:default/pay"}, Parts: []string{"cost"}},
	})
	pay, eve := Principal{Ref: "user:default/a", Kind: User, Groups: []string{"group:default/pay"}}, Principal{Ref: "user:default/eve", Kind: User}
	ci, admin := Principal{Ref: "service:default/ci", Kind: Service}, Principal{Ref: "user:default/r", Kind: User, Groups: []string{"group:default/admins"}}
	for _, c := range []struct {
		who  Principal
		do   Action
		to   Resource
		want bool
	}{
		{pay, Run, Resource{Template: "template:default/pay-out"}, true},
		{pay, Run, Resource{Template: "template:default/repay"}, false},
		{pay, Cancel, Resource{Template: "template:default/pay-out"}, false},
		{eve, See, Resource{Template: "template:default/pay-out"}, false},
		{eve, See, Resource{Template: "template:default/pay-out", Tags: []string{"x", "public"}}, true},
		{eve, Run, Resource{Template: "template:default/pay-out", Tags: []string{"public"}}, false},
		{ci, See, Resource{Template: "template:default/pay-out", Tags: []string{"public"}}, false},
		{ci, Run, Resource{Template: "template:default/x", Owner: "group:default/pay", Tags: []string{"ci"}}, true},
		{ci, Run, Resource{Template: "template:default/x", Owner: "group:default/pay"}, false},
		{ci, Run, Resource{Template: "template:default/x", Tags: []string{"ci"}}, false},
		{admin, Run, Resource{Template: "template:default/x"}, true},
		{pay, See, Resource{}, false},
	} {
		require.Equal(t, c.want, policy.Allows(c.who, c.do, c.to), "%s %s %v", c.who.Ref, c.do, c.to)
	}
	template := Resource{Template: "template:default/x"}
	require.True(t, policy.Shows(eve, nil, template))
	require.False(t, policy.Shows(eve, []string{"cost"}, template))
	require.True(t, policy.Shows(pay, []string{"cost"}, template))
	require.False(t, policy.Shows(pay, []string{"cost", "secret"}, template), "every tag must be allowed")
	require.True(t, policy.Shows(admin, []string{"cost", "secret"}, template))
	require.True(t, NewPolicy(nil, nil, OpenToEveryone()).Shows(eve, []string{"cost"}, template))
}

func TestMatchRef(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, ref string
		want         bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"a*", "a", true}, {"*", "", true}, {"*b", "ab", true}, {"*b", "ba", false},
		{"a*c*e", "abcde", true}, {"a*c*e", "abde", false}, {"a**b", "axb", true}, {"a*a", "a", false}, {"*ab*", "xxabyy", true}, {"a.c", "abc", false},
	} {
		require.Equal(t, c.want, MatchRef(c.pattern, c.ref), "%s %s", c.pattern, c.ref)
	}
}

// drawn is a small world in which rules, people and tasks meet often.
type drawn struct{ *rapid.T }

func (d drawn) some(label string, from ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, min(2, len(from)), rapid.ID[string]).Draw(d.T, label)
}

func (d drawn) rules() []Rule {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Rule {
		d := drawn{t}
		r := Rule{
			Who:   d.some("who", Everyone, Requester, OwnerOfTemplate, Approver, "user:default/a", "group:default/g", "service:default/s"),
			Parts: d.some("parts", "p", "q", "*"),
			On: Selector{
				Templates: d.some("templates", "template:default/*", "template:default/x", "template:*/y"),
				Owners:    d.some("owners", "group:default/g", "user:default/a"), Tags: d.some("tags", "t", "u"),
			},
		}
		r.May = rapid.SliceOfN(rapid.SampledFrom(Actions), 0, 3).Draw(t, "may")
		return r
	}), 0, 4).Draw(d.T, "rules")
}

func (d drawn) principal() Principal {
	p := rapid.SampledFrom([]Principal{
		{Ref: "user:default/a", Kind: User}, {Ref: "user:default/b", Kind: User}, {Ref: "service:default/s", Kind: Service},
		{Ref: "user:default/a", Kind: User, Only: []Action{Read, Run}}, {},
	}).Draw(d.T, "principal")
	p.Groups = d.some("groups", "group:default/g", "group:default/h", "group:default/admins", "group:default/auditors")
	return p
}

func (d drawn) resource() Resource {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(d.T, label) }
	return Resource{
		Template: one("template", "template:default/x", "template:default/y", "template:other/y", ""), Owner: one("owner", "", "group:default/g", "user:default/a"),
		Tags: d.some("tags", "t", "u"), Requester: one("requester", "user:default/a", "user:default/b", "service:default/s"),
		Approvers: d.some("approvers", "user:default/a", "group:default/h"),
	}
}

func policyOf(rules []Rule) Policy {
	return NewPolicy([]string{"group:default/admins"}, []string{"group:default/auditors"}, rules)
}

func TestPolicy_OneRuleLess_NeverGrantsMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t}
		rules, who, to := d.rules(), d.principal(), d.resource()
		whole := policyOf(rules)
		parts := d.some("of a part", "p", "q")
		for i := range rules {
			less := policyOf(slices.Delete(slices.Clone(rules), i, i+1))
			for _, do := range Actions {
				if less.Allows(who, do, to) && !whole.Allows(who, do, to) {
					t.Fatalf("without rule %d %s may %s", i, who.Ref, do)
				}
			}
			if less.Shows(who, parts, to) && !whole.Shows(who, parts, to) {
				t.Fatalf("without rule %d %s is shown %v", i, who.Ref, parts)
			}
		}
	})
}

func TestPolicy_Scopes_HoldWhatIsAllowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t}
		policy, who, to := policyOf(d.rules()), d.principal(), d.resource()
		do := rapid.SampledFrom(Actions).Draw(t, "do")
		in := slices.ContainsFunc(policy.Scopes(who, do), func(s Scope) bool { return s.holds(to) })
		if in != policy.Allows(who, do, to) {
			t.Fatalf("allowed: %v, in a scope: %v", !in, in)
		}
	})
}

// holds is what the store's query does.
func (s Scope) holds(to Resource) bool {
	within := func(wanted []string, has ...string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(has, func(h string) bool { return slices.Contains(wanted, h) })
	}
	return s.On.picks(to) && (s.Requester == "" || s.Requester == to.Requester) && (s.NotBy == "" || s.NotBy != to.Requester) &&
		within(s.Owners, to.Owner) && within(s.Approvers, to.Approvers...)
}

func TestAdmits(t *testing.T) {
	t.Parallel()
	approvers := []string{"group:default/leads", "user:default/ben"}
	for name, c := range map[string]struct {
		user   string
		groups []string
		admits bool
	}{
		"member":                 {"user:default/x", []string{"group:default/y", "group:default/leads"}, true},
		"named":                  {"user:default/ben", nil, true},
		"neither":                {"user:default/x", []string{"group:default/y"}, false},
		"requester in the group": {"user:default/rosa", []string{"group:default/leads"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.admits, Admits(c.user, c.groups, "user:default/rosa", approvers))
		})
	}
}

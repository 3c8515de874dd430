package identity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func TestParseRules_Whole_Read(t *testing.T) {
	t.Parallel()
	rules, problems := ParseRules("policy.yaml", []byte(`
rules:
  - who: [everyone, Group:Default/Payments, service:default/ci]
    may: [see, run]
    on: { templates: ["node-*", template:other/x, "Template:*/y"], owners: [payments, user:default/rosa], tags: [public] }
  - who: owner-of-template
    may: [cancel, retry]
  - who: [requester]
    may: collect
  - who: [approver]
    may: [approve]
  - who: [group:default/platform]
    parts: [cost, "*"]
`))
	require.Empty(t, problems)
	require.Equal(t, []Rule{
		{Who: []string{Everyone, "group:default/payments", "service:default/ci"}, May: []Action{See, Run}, On: Selector{
			Templates: []string{"template:default/node-*", "template:other/x", "template:*/y"},
			Owners:    []string{"group:default/payments", "user:default/rosa"}, Tags: []string{"public"},
		}},
		{Who: []string{OwnerOfTemplate}, May: []Action{Cancel, Retry}},
		{Who: []string{Requester}, May: []Action{Collect}},
		{Who: []string{Approver}, May: []Action{Approve}},
		{Who: []string{"group:default/platform"}, Parts: []string{"cost", "*"}},
	}, rules)
	rules, problems = ParseRules("policy.yaml", []byte("rules: []\n"))
	require.Empty(t, problems)
	require.Empty(t, rules)
}

func TestParseRules_AllProblemsAtOnce_WithPlaceAndSuggestion(t *testing.T) {
	t.Parallel()
	_, problems := ParseRules("policy.yaml", []byte(`rules:
  - who: [everone, group:default/a b, template:default/x]
    may: [runn, see]
    om: {}
  - may: [see]
  - who: [everyone]
  - who: []
    may: [see]
  - who: [everyone]
    may: [collect]
  - who: [group:default/leads]
    may: [approve, read]
    on: {template: x, owners: [component:default/x], templates: [group:default/x, 7]}
  - nonsense
  - who: [everyone]
    who: [requester]
    may: {see: true}
version: 1
`))
	var shown []string
	for _, p := range problems {
		shown = append(shown, p.String())
	}
	require.Equal(t, []string{
		`policy.yaml:2:11: "everone" is nobody (unknown-who); try: everyone`,
		`policy.yaml:2:20: "group:default/a b" is not an entity ref; write kind:namespace/name, e.g. group:default/payments-team (bad-ref)`,
		`policy.yaml:2:39: "template:default/x" is no user or group or service or plugin (bad-ref); try: user:default/x`,
		`policy.yaml:3:11: there is no action "runn" (unknown-action); try: run`,
		`policy.yaml:4:5: a rule has no "om" (unknown-field); try: on`,
		`policy.yaml:5:5: a rule says who (missing-field); try: who: [everyone]`,
		`policy.yaml:6:5: a rule says what they may, or which parts are theirs (missing-field); try: may: [see, run]`,
		`policy.yaml:7:10: who is empty (empty); try: leave who out, or name something`,
		`policy.yaml:10:10: collect is for the requester alone (reserved); try: who: [requester]`,
		`policy.yaml:12:10: approve is for the approver alone (reserved); try: who: [approver]`,
		`policy.yaml:13:10: on has no "template" (unknown-field); try: templates`,
		`policy.yaml:13:32: "component:default/x" is no group or user (bad-ref); try: group:default/x`,
		`policy.yaml:13:66: "group:default/x" is no template (bad-ref); try: template:default/node-*`,
		`policy.yaml:13:83: templates is a list of texts (wrong-type)`,
		`policy.yaml:14:5: a rule is a mapping with who, may, parts, on (wrong-type)`,
		`policy.yaml:16:5: "who" is there twice (twice)`,
		`policy.yaml:17:10: may is a list of texts (wrong-type)`,
		`policy.yaml:18:1: a policy has no "version" (unknown-field); try: rules`,
	}, shown)
}

func TestParseRules_NoPolicyAtAll_Refused(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"Empty": "", "OnlyAComment": "# nothing\n", "AList": "- who: [everyone]\n", "NoRules": "{}\n", "RulesAreAMapping": "rules: {}\n",
		"NoYAML": "rules: [\n", "TwoDocuments": "rules: []\n---\nrules: []\n", "TooLarge": "rules: []\n#" + strings.Repeat("x", maxPolicy),
		"Null": "rules:\n",
	} {
		_, problems := ParseRules("policy.yaml", []byte(src))
		require.NotEmpty(t, problems, name)
		require.NotZero(t, problems[0].Line, name)
	}
}

func TestOpenRules_Wrong_AllProblemsInTheError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	_, err := OpenRules(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("rules:\n  - {who: nobody, may: nothing}\n"), 0o600))
	_, err = OpenRules(file)
	require.Len(t, fault.From(err).Problems, 2)
	require.NoError(t, os.WriteFile(file, []byte("rules:\n  - {who: everyone, may: see}\n"), 0o600))
	rules, err := OpenRules(file)
	require.NoError(t, err)
	require.Len(t, rules, 1)
}

func FuzzParseRules(f *testing.F) {
	f.Add("rules:\n  - {who: everyone, may: [see], on: {templates: [x]}}\n")
	f.Add("rules: &a\n  - *a\n")
	f.Add("rules: [{<<: {who: everyone}, may: see}]")
	f.Fuzz(func(t *testing.T, src string) {
		rules, problems := ParseRules("p", []byte(src))
		if len(problems) > 0 {
			return
		}
		for _, r := range rules {
			if len(r.Who) == 0 || len(r.May)+len(r.Parts) == 0 {
				t.Fatalf("a rule for nobody, or about nothing: %+v", r)
			}
		}
	})
}

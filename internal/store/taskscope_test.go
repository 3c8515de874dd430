package store

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTasks_Within_UnionOfScopes(t *testing.T) {
	t.Parallel()
	s := open(t)
	add := func(template, owner, by string, tags ...string) string {
		id := uuid.NewString()
		_, err := s.CreateTask(t.Context(), NewTask{
			ID: id, TemplateRef: template, Owner: owner, CreatedBy: by, Tags: tags, Spec: []byte("{}"), Run: []byte("{}"), Digest: "d",
		})
		require.NoError(t, err)
		return id
	}
	a := add("template:default/pay_out", "group:default/x", "user:default/a", "money", "x")
	b := add("template:default/payxout", "group:default/y", "user:default/b", "money")
	c := add(`template:default/c%\`, "", "user:default/a")
	require.NoError(t, s.OpenApproval(t.Context(), Approval{ID: "g", Task: b, Step: "ask", Title: "t", Reason: "r", Digest: "d", Requester: "user:default/b", Template: "template:default/payxout", Approvers: []string{"group:default/leads"}, Required: 1}))
	require.NoError(t, s.RecordDecision(t.Context(), "g", Decision{By: "user:default/l", As: "group:default/leads", Verdict: "delegate", To: "user:default/d", Nonce: "n1", At: time.Now()}))
	for name, w := range map[string]struct {
		within []TaskScope
		want   []string
	}{
		"no limit":             {nil, []string{a, b, c}},
		"nothing":              {[]TaskScope{}, nil},
		"everything":           {[]TaskScope{{}}, []string{a, b, c}},
		"own":                  {[]TaskScope{{CreatedBy: "user:default/a"}}, []string{a, c}},
		"not own":              {[]TaskScope{{NotBy: "user:default/a"}}, []string{b}},
		"owner":                {[]TaskScope{{Owners: [][]string{{"group:default/x", "group:default/z"}}}}, []string{a}},
		"owner in both lists":  {[]TaskScope{{Owners: [][]string{{"group:default/x"}, {"group:default/y"}}}}, nil},
		"an empty list is any": {[]TaskScope{{Owners: [][]string{nil, {"group:default/y"}}}}, []string{b}},
		"tags":                 {[]TaskScope{{Tags: []string{"x", "nothing"}}}, []string{a}},
		"a line is no pattern": {[]TaskScope{{Templates: []string{"template:default/pay_*"}}}, []string{a}},
		"a star is":            {[]TaskScope{{Templates: []string{"*/pay*t"}}}, []string{a, b}},
		"percent, backslash":   {[]TaskScope{{Templates: []string{`template:*/c%\`}}}, []string{c}},
		"approvers":            {[]TaskScope{{Approvers: []string{"group:default/leads"}}}, []string{b}},
		"approver of own":      {[]TaskScope{{Approvers: []string{"group:default/leads"}, NotBy: "user:default/b"}}, nil},
		"in one's place":       {[]TaskScope{{Approvers: []string{"group:default/z", "user:default/d"}}}, []string{b}},
		"nobody's place":       {[]TaskScope{{Approvers: []string{""}}}, nil},
		"all that is given":    {[]TaskScope{{CreatedBy: "user:default/a", Tags: []string{"money"}}}, []string{a}},
		"any of them":          {[]TaskScope{{CreatedBy: "user:default/b"}, {Tags: []string{"x"}}}, []string{a, b}},
		"injection":            {[]TaskScope{{CreatedBy: "' or true --"}}, nil},
	} {
		found, total, err := s.Tasks(t.Context(), TaskFilter{Within: w.within})
		require.NoError(t, err, name)
		var ids []string
		for _, task := range found {
			ids = append(ids, task.ID)
		}
		require.ElementsMatch(t, w.want, ids, name)
		require.Equal(t, len(w.want), total, name)
	}
	task, err := s.Task(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, []string{"money", "x"}, task.Tags)
	creators, err := s.Creators(t.Context(), []string{a, b, uuid.NewString()})
	require.NoError(t, err)
	require.Equal(t, map[string]string{a: "user:default/a", b: "user:default/b"}, creators)
}

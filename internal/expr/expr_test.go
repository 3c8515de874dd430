package expr

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func vars(t *testing.T, text string) *Object {
	t.Helper()
	v, err := FromJSON([]byte(text))
	require.NoError(t, err)
	return v.(*Object)
}

func TestParse_Error_HasPosition(t *testing.T) {
	t.Parallel()
	_, err := Parse("a\n  ${{ 1 + }}", Options{})
	var se *SyntaxError
	require.ErrorAs(t, err, &se)
	require.Equal(t, Pos{Line: 2, Column: 11, Offset: 12}, se.Pos)
}

func TestReferences_StaticAndComputedPaths(t *testing.T) {
	t.Parallel()
	for src, want := range map[string][]string{
		`${{ steps.publish.output.remoteUrl }}`:                              {"steps.publish.output.remoteUrl"},
		`${{ steps['my-step'].output.x[0] }}`:                                {"steps.my-step.output.x.0"},
		`${{ steps[parameters.x].output }}`:                                  {"steps.*", "parameters.x"},
		`${{ parameters.repoUrl | parseRepoUrl | pick('owner') }}`:           {"parameters.repoUrl"},
		`{% set a = parameters.x %}${{ a.b }}`:                               {"parameters.x"},
		`{% for i in parameters.l %}${{ i.x + loop.index + z }}{% endfor %}`: {"parameters.l", "z"},
		`{% macro m(a, b=d) %}${{ a + b + c }}{% endmacro %}${{ m(e) }}`:     {"d", "c", "e"},
		`{% if p %}{% set q = 1 %}{% endif %}${{ q }}`:                       {"p", "q"},
		`${{ x is defined and always() }}`:                                   {"x"},
		`plain`:                                                              nil,
	} {
		tmpl, err := Parse(src, Options{})
		require.NoError(t, err, src)
		var got []string
		for _, r := range tmpl.References() {
			got = append(got, r.String())
		}
		require.Equal(t, want, got, src)
	}
}

func TestCalls_OnlyUndeclaredFunctions(t *testing.T) {
	t.Parallel()
	tmpl, err := Parse("{% macro m() %}x{% endmacro %}${{ m() if always() or failure() }}", Options{})
	require.NoError(t, err)
	var names []string
	for _, c := range tmpl.Calls() {
		names = append(names, c.Name)
	}
	require.ElementsMatch(t, []string{"always", "failure"}, names)
}

func TestRenderTree_BackstageRules(t *testing.T) {
	t.Parallel()
	tree := vars(t, `{"${{ n }}":"${{ n }}","gone":"${{ nope }}","list":["${{ nope }}","x${{ n }}",true],"raw":"${{ n | nope }}","bad":"${{ x.0 }}","typed":{"o":"${{ o }}"},"text":"{% if n %}5{% endif %}"}`)
	env := &Env{Vars: vars(t, `{"n":5,"o":{"a":[1]}}`)}
	got, err := RenderTree(context.Background(), tree, env)
	require.NoError(t, err)
	text, err := ToJSON(got)
	require.NoError(t, err)
	require.Equal(t, `{"${{ n }}":5,"list":[null,"x5",true],"raw":"${{ n | nope }}","bad":"${{ x.0 }}","typed":{"o":{"a":[1]}},"text":"5"}`, string(text))

	env.LegacyTyping = true
	got, err = RenderTree(context.Background(), "{% if n %}5{% endif %}", env)
	require.NoError(t, err)
	require.Equal(t, 5.0, got)
}

func TestRenderTree_Cancelled_GivesTheContextsError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := RenderTree(ctx, "${{ 1 }}", &Env{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestEvaluate_CallersVariables_StayAsTheyWere(t *testing.T) {
	t.Parallel()
	env := &Env{Vars: vars(t, `{"a":[1,[2]]}`)}
	tmpl, err := Parse("${{ a.push(3) }}${{ a[1].push(4) }}${{ a }}", Options{})
	require.NoError(t, err)
	for range 2 {
		got, err := tmpl.Evaluate(context.Background(), env)
		require.NoError(t, err)
		require.Equal(t, "321,2,4,3", got)
	}
}

func TestEvaluate_CallersFunctionAndFilter(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	called := 0
	env := &Env{
		Funcs: map[string]Func{"failure": func([]any) (any, error) { called++; return false, nil }, "bad": func([]any) (any, error) { return nil, boom }},
		Filters: map[string]Filter{"shout": func(v any, args []any) (any, error) {
			return ToString(v) + ToString(args[0]), nil
		}},
	}
	evaluate := func(src string) (any, error) {
		tmpl, err := Parse(src, Options{})
		require.NoError(t, err)
		return tmpl.Evaluate(context.Background(), env)
	}
	got, err := evaluate("${{ false and failure() }}")
	require.NoError(t, err)
	require.Equal(t, false, got)
	require.Zero(t, called)
	_, err = evaluate("${{ not failure() }}")
	require.NoError(t, err)
	require.Equal(t, 1, called)
	got, err = evaluate("${{ 'a' | shout('!') }}")
	require.NoError(t, err)
	require.Equal(t, "a!", got)
	_, err = evaluate("${{ bad() }}")
	require.ErrorIs(t, err, boom)
}

func TestBackstageFilters(t *testing.T) {
	t.Parallel()
	env := &Env{
		Vars:  vars(t, `{"r":"github.com?owner=/o/&repo=r&repo=s","x":{"a":{"b":[1,{"c":2}]},"d.e":3}}`),
		Hosts: map[string]string{"git.local:3000": "gitea"},
	}
	for src, want := range map[string]string{
		`r | parseRepoUrl`:                                                   `{"host":"github.com","owner":"o","repo":"r"}`,
		`r | projectSlug`:                                                    `"o/r"`,
		`"git.local:3000?repo=r" | parseRepoUrl`:                             `{"host":"git.local:3000","repo":"r"}`,
		`"gitlab.com?project=1" | parseRepoUrl`:                              `{"host":"gitlab.com","project":"1"}`,
		`"evil.com?owner=o&repo=r" | parseRepoUrl`:                           ``,
		`"github.com?repo=r" | parseRepoUrl`:                                 ``,
		`"GitHub.com?owner=o&repo=r" | parseRepoUrl`:                         `{"host":"github.com","owner":"o","repo":"r"}`,
		"\"g\u0130thub.com?owner=o&repo=r\" | parseRepoUrl":                  ``,
		"\"bitbuc\u212aet.org?workspace=w&project=p&repo=r\" | parseRepoUrl": ``,
		`"component:ns/n" | parseEntityRef`:                                  `{"kind":"component","namespace":"ns","name":"n"}`,
		`"n" | parseEntityRef({defaultKind:"User"})`:                         `{"kind":"User","namespace":"default","name":"n"}`,
		`"ns/a:b" | parseEntityRef({defaultKind:"User"})`:                    `{"kind":"User","namespace":"ns","name":"a:b"}`,
		`{kind:"K",name:"n"} | parseEntityRef`:                               `{"kind":"K","namespace":"default","name":"n"}`,
		`"n" | parseEntityRef`:                                               ``,
		`":n" | parseEntityRef`:                                              ``,
		`x | pick("a.b[1].c")`:                                               `2`,
		`x | pick("d.e")`:                                                    `3`,
		`x | pick("a.z.y")`:                                                  `null`,
	} {
		tmpl, err := Parse("${{ "+src+" }}", Options{})
		require.NoError(t, err, src)
		got, err := tmpl.Evaluate(context.Background(), env)
		if want == "" {
			require.Error(t, err, src)
			continue
		}
		require.NoError(t, err, src)
		text, err := ToJSON(got)
		require.NoError(t, err)
		require.Equal(t, want, string(text), src)
	}
}

func TestObject_Keys_InJavaScriptOrder(t *testing.T) {
	t.Parallel()
	o := NewObject("b", 1.0, "10", 2.0, "a", 3.0, "2", 4.0, "01", 5.0)
	for i := range 20 {
		o.Set(fmt.Sprint("k", i), 0.0)
	}
	require.Equal(t, []string{"2", "10", "b", "a", "01"}, o.Keys()[:5])
	got, ok := o.Get("k19")
	require.True(t, ok)
	require.Equal(t, 0.0, got)
}

func TestError_HalfACharacter_IsOneMark(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Template error at line 0, column 0: no \uFFFD!", (&EvalError{Msg: "no \xed\xa0\xbd!"}).Error())
}

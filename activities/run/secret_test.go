package run

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// keep gives back its input, which a test looks at.
func keeper(got *json.RawMessage, says string) activities.Action {
	type anything struct {
		A any `json:"a,omitempty"`
		B any `json:"b,omitempty"`
	}
	return activities.Define(activities.Spec[anything, anything]{
		ID: "test:make", Description: "Keeps.", Examples: examples(), WhyNoUndo: "it is a test",
		Do: func(_ context.Context, call *activities.Call, in anything) (anything, error) {
			*got, _ = json.Marshal(in)
			call.Log("using %s", says)
			if says == "fail" {
				return in, fault.Wrap(fault.Invalid, nil, "the token %v is bad", in.A)
			}
			return in, nil
		},
	})
}

func TestSecrets_InInput_RevealedToTheActionAloneAndHiddenEverywhere(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, secretsOf{"token": "canary"}, keeper(&got, "canary"))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{"host":"h","unused":"u"}`, plan.Step{Each: json.RawMessage(`["e"]`), Input: json.RawMessage(
		`{"a":"https://${{ secrets.token }}@${{ parameters.host }}/${{ each.value }}/${{ steps['first-step'].output.n }}","b":["${{ secrets.token }}","${{ secrets.none }}"]}`)}))
	require.NoError(t, err)
	recorded := string(evaluated.Items[0].Input)
	require.NotContains(t, recorded, "canary")
	require.NotContains(t, recorded, "unused", "only what the expression names goes along")

	in := invocation(recorded)
	in.Iteration = "0"
	out, err := b.Do(t.Context(), "test:make", in)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"https://canary@h/e/2","b":["canary",null]}`, string(got))
	require.JSONEq(t, `{"a":"***","b":["***",null]}`, string(out.Output), "a text made with a secret is one")
	require.Contains(t, b.journal.messages(), infoMark+"using ***")
	audits, err := json.Marshal(b.journal.audits)
	require.NoError(t, err)
	require.NotContains(t, string(audits), "canary")
}

func TestSecrets_InAFault_Hidden(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, secretsOf{"token": "canary"}, keeper(&got, "fail"))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Input: json.RawMessage(`{"a":"${{ secrets.token }}"}`)}))
	require.NoError(t, err)
	_, err = b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
	require.ErrorContains(t, err, "the token *** is bad")
}

// Whoever submits a value can't make the runner evaluate it, with secrets least of all.
func TestSecrets_DataThatLooksLikeAnExpression_StaysData(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`"${{ secrets.token }}"`,
		`{"$gildway:secret":{"source":"${{ secrets.token }}"}}`,
		`{"$gildway:data":{"$gildway:secret":{"source":"${{ secrets.token }}"}}}`,
		`[{"x":{"\u0024gildway:secret":{"source":"${{ secrets.token }}"},"y":1}}]`,
	} {
		var got json.RawMessage
		b := newBench(t, secretsOf{"token": "canary"}, keeper(&got, ""))
		evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{"v":`+value+`}`, plan.Step{Input: json.RawMessage(`{"a":"${{ parameters.v }}","b":"${{ secrets.none }}"}`)}))
		require.NoError(t, err)
		_, err = b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
		require.NoError(t, err)
		require.JSONEq(t, `{"a":`+value+`}`, string(got))
	}
}

func TestSecrets_NobodyKeepsThem_Undefined(t *testing.T) {
	t.Parallel()
	var got json.RawMessage
	b := newBench(t, nil, keeper(&got, ""))
	evaluated, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Input: json.RawMessage(`{"a":"${{ secrets.token }}","b":"x${{ secrets.token }}"}`)}))
	require.NoError(t, err)
	_, err = b.Do(t.Context(), "test:make", invocation(string(evaluated.Items[0].Input)))
	require.NoError(t, err)
	require.JSONEq(t, `{"b":"x"}`, string(got))
}

func TestSecrets_InEach_NeverInHistory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each, input string
		keys        []string
		says        []string
		got         []string
	}{
		"array of parts": {
			`"${{ secrets.list.split(',') }}"`, `{"a":"${{ each.value | upper }} ${{ parameters.p }}","b":"${{ each.key }}"}`, []string{"0", "1"},
			[]string{`Running step each: {"key":"0","value":"***"}`, `Running step each: {"key":"1","value":"***"}`},
			[]string{`{"a":"CANARY-ONE P","b":"0"}`, `{"a":"CANARY-TWO P","b":"1"}`},
		},
		"all secrets": {
			`"${{ secrets }}"`, `{"a":"${{ each.value }}","b":"${{ each.key }}"}`, []string{"list", "other"},
			[]string{`Running step each: {"key":"list","value":"***"}`, `Running step each: {"key":"other","value":"***"}`},
			[]string{`{"a":"canary-one,canary-two","b":"list"}`, `{"a":"canary-other","b":"other"}`},
		},
		"literal": {
			`{"x":{"deep":"${{ secrets.other }}"},"y":"plain"}`, `{"a":"${{ each.value.deep or each.value }}"}`, []string{"x", "y"},
			[]string{`Running step each: {"key":"x","value":"[object Object]"}`, `Running step each: {"key":"y","value":"plain"}`},
			[]string{`{"a":"canary-other"}`, `{"a":"plain"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got json.RawMessage
			b := newBench(t, secretsOf{"list": "canary-one,canary-two", "other": "canary-other"}, keeper(&got, "it"))
			out, err := b.Evaluate(t.Context(), evaluateInput(`{"p":"P","unused":"u"}`, plan.Step{
				Each: json.RawMessage(c.each), If: json.RawMessage(`"${{ each.value }}"`), Input: json.RawMessage(c.input),
			}))
			require.NoError(t, err)
			history, err := json.Marshal(out)
			require.NoError(t, err)
			require.NotContains(t, string(history), "anary-")
			require.NotContains(t, string(history), "unused")
			var keys, says []string
			for i, item := range out.Items {
				keys, says = append(keys, item.Key), append(says, item.Says...)
				in := invocation(string(item.Input))
				in.Iteration = item.Key
				_, err := b.Do(t.Context(), "test:make", in)
				require.NoError(t, err)
				require.JSONEq(t, c.got[i], string(got))
			}
			require.Equal(t, c.keys, keys)
			require.Equal(t, c.says, says)
		})
	}
}

func TestSecrets_AsKeysOfALoop_Refused(t *testing.T) {
	t.Parallel()
	b := newBench(t, secretsOf{"name": "canary"}, anything())
	for _, each := range []string{`"${{ [{n: secrets.name}] | groupby('n') }}"`, `"${{ {a: 1} if secrets.name == 'canary' else {b: 1} }}"`} {
		_, err := b.Evaluate(t.Context(), evaluateInput(`{}`, plan.Step{Each: json.RawMessage(each)}))
		require.Equal(t, fault.Invalid, fault.Unseal(err).Kind)
		require.Contains(t, err.Error(), "Loop over an array instead")
		require.NotContains(t, err.Error(), "canary")
	}
}

// A run with secrets is searched for them whatever a step reads: they may come from a file.
func TestSecrets_StepThatReadsNone_StillSearched(t *testing.T) {
	t.Parallel()
	b := newBench(t, secretsOf{"token": "canary"}, maker(echo))
	in := invocation(`{"name":"x canary y"}`)
	in.Run.Secrets = true
	out, err := b.Do(t.Context(), "test:make", in)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"x *** y"}`, string(out.Output))
	require.Contains(t, b.journal.messages(), infoMark+"made x *** y")
}

func TestRedactor_EveryFormOfASecret_Masked(t *testing.T) {
	t.Parallel()
	const secret = `pa"ss <w>ord/+&é?` + "\n" + "second line"
	encode := base64.StdEncoding.EncodeToString
	for name, text := range map[string]string{
		"itself":          secret,
		"in spaces":       "  " + secret + "  ",
		"a line":          "error in second line: no",
		"JSON":            string(mustMarshal(t, map[string]string{"v": secret})),
		"JSON in JSON":    `{"log":` + string(mustMarshal(t, `second line`)) + `}`,
		"query":           "https://x?t=" + url.QueryEscape(secret),
		"path":            "https://x/" + url.PathEscape(secret),
		"base64":          encode([]byte(secret)),
		"base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"basic auth":      "Authorization: Basic " + encode([]byte("user:"+secret)),
		"basic auth 2":    "Authorization: Basic " + encode([]byte("me:"+secret+"!")),
		"basic auth 3":    "Authorization: Basic " + encode([]byte("joe:"+secret)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r redactor
			r.add(secret + "\n")
			shown := r.text(text)
			require.Contains(t, shown, mask)
			for _, part := range []string{"pa\"ss", "w>ord", "second line", "c2Vjb25kIGxpbm", "NlY29uZCBsaW5l", "zZWNvbmQgbGlu"} {
				require.NotContains(t, shown, part)
			}
		})
	}
	var r redactor
	for _, short := range []string{"", "x", " x ", "\n"} {
		r.add(short)
	}
	require.False(t, r.knows())
	require.Equal(t, "x", r.text("x"))
}

func TestRedactor_Overlaps_VanishTogether(t *testing.T) {
	t.Parallel()
	var r redactor
	for _, s := range []string{"abcd", "cdef", "abc"} {
		r.derived(s)
	}
	require.Equal(t, "x***y ***z ******", r.text("xabcdefy abcz abcabcd"))
	r.derived("1234")
	masked, err := r.json(json.RawMessage(`{"abc":[1234,12345,"abc",true,null]}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"***":["***",12345,"***",true,null]}`, string(masked))
	f := fault.From(r.error(fault.WithProblems("abc", []fault.Problem{{Path: "input.abc", Says: "abc", Try: "abc"}})))
	require.Equal(t, []fault.Problem{{Path: "input.***", Says: mask, Try: mask}}, f.Problems)
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return raw
}

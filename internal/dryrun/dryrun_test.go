package dryrun_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities/run"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
	"github.com/gildway/gildway/worker"
)

// try compiles steps and tries them; the request can be changed before.
func try(t *testing.T, version, spec string, change ...func(*dryrun.Request)) (dryrun.Result, error) {
	t.Helper()
	registry := worker.Registry(config.Config{}, nil)
	actions := templates.Actions{}
	for _, a := range registry.Infos() {
		actions[a.ID] = a
	}
	src := "apiVersion: " + version + "\nkind: Template\nmetadata: {name: one}\nspec:\n  type: service\n" + indent(spec)
	parsed, problems := templates.Parse("template.yaml", []byte(src))
	require.Empty(t, problems, src)
	compiled, problems := templates.Compile(parsed, actions, templates.Context{})
	require.Empty(t, problems, src)
	in := dryrun.Request{Run: plan.Run{Plan: *compiled, Values: json.RawMessage("{}"), Requester: plan.Person{Ref: "user:default/rosa"}}, Offline: true}
	for _, c := range change {
		c(&in)
	}
	return dryrun.New(dryrun.Options{Runs: run.Options{Registry: registry, Log: slog.New(slog.DiscardHandler)}}).Run(t.Context(), in)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

func states(r dryrun.Result) map[string]dryrun.State {
	all := map[string]dryrun.State{}
	for _, s := range r.Steps {
		all[s.ID] = s.State
	}
	return all
}

func values(raw string) func(*dryrun.Request) {
	return func(r *dryrun.Request) { r.Run.Values = json.RawMessage(raw) }
}

func said(r dryrun.Result) string {
	var all strings.Builder
	for _, l := range r.Log {
		fmt.Fprintf(&all, "%s %s %s\n", l.Step, l.Status, l.Message)
	}
	return all.String()
}

func TestRun_FailingStep_EndsTheRunButForAlways(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: bad, action: "fs:rename", input: {files: [{from: no, to: x}]}}
  - {id: after, action: "debug:log", input: {message: never}}
  - {id: tidy, action: "debug:log", if: "${{ always() }}", input: {message: swept}}
output: {a: b}`)
	require.NoError(t, err)
	require.Equal(t, map[string]dryrun.State{"bad": dryrun.Failed, "after": dryrun.Skipped, "tidy": dryrun.Completed}, states(r))
	require.Equal(t, "Error", r.Failure.Name)
	require.Nil(t, r.Output)
	require.Contains(t, said(r), "swept")
	require.Contains(t, said(r), "after skipped Skipping step after because a previous step failed")
}

func TestRun_OnErrorContinue_GoesOnAndTellsTheError(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V3, `
steps:
  - {id: pub, action: "publish:github", onError: continue, input: {repoUrl: "github.com?owner=a&repo=b"}}
  - {id: tell, action: "debug:log", needs: [pub], input: {message: "it was ${{ steps.pub.error.kind }}"}}`,
		func(r *dryrun.Request) {
			r.Answer = func(step, _ string) (dryrun.Answer, bool) {
				return dryrun.Answer{Err: fault.New(fault.Conflict, "taken")}, step == "pub"
			}
		})
	require.NoError(t, err)
	require.Nil(t, r.Failure)
	require.Contains(t, said(r), "it was Conflict")
}

func TestRun_Switch_TakesOneBranch(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V3, `
parameters: {properties: {n: {type: integer}}}
steps:
  - id: size
    switch:
      large: {if: "${{ parameters.n > 3 }}", steps: [{id: big, action: "debug:log", input: {message: big}}]}
      small: {steps: [{id: little, action: "debug:log", input: {message: little}}]}
  - {id: join, needs: [size], action: "debug:log", input: {message: "took ${{ steps.size.output.branch }}"}}`, values(`{"n":2}`))
	require.NoError(t, err)
	require.Equal(t, map[string]dryrun.State{"size": dryrun.Completed, "big": dryrun.Skipped, "little": dryrun.Completed, "join": dryrun.Completed}, states(r))
	require.Contains(t, said(r), "took small")
}

func TestRun_Approval_IsSaidAndGiven(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V3, `
steps:
  - {id: ok, action: "approval:request", input: {approvers: ["group:default/leads"], required: 2}}
  - {id: pub, action: "publish:github", input: {repoUrl: "github.com?owner=a&repo=b"}}`)
	require.NoError(t, err)
	require.Equal(t, []dryrun.Effect{
		{Step: "ok", Action: "approval:request", Would: run.Would{Do: []string{"ask group:default/leads for approval, 2 of them"}}},
		{Step: "pub", Action: "publish:github", Would: run.Would{Do: []string{`call publish:github with {"repoUrl":"github.com?owner=a&repo=b"}`}}},
	}, r.Effects)
}

func TestRun_Each_GathersWhatItsItemsGive(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: pub, action: "publish:github", each: [a, b], input: {repoUrl: "github.com?owner=o&repo=${{ each.value }}"}}
output: {urls: "${{ steps.pub.output.remoteUrl }}"}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"urls":["<example>","<example>"]}`, string(r.Output))
	require.Len(t, r.Calls, 2)
	require.Equal(t, "1", r.Effects[1].Iteration)
}

func TestRun_EachOfNothing_SaysWhichItemsWereSkipped(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: say, action: "debug:log", each: [a], if: "${{ each.value == 'b' }}", input: {message: hi}}`)
	require.NoError(t, err)
	require.Equal(t, dryrun.Completed, r.Steps[0].State)
	require.Contains(t, said(r), "Skipping step each: ")
	require.NotContains(t, said(r), ": hi")
}

func TestRun_LongLoop_RunsToItsEnd(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: pub, action: "publish:github", each: "${{ parameters.all }}", input: {repoUrl: "github.com?owner=o&repo=r${{ each.value }}"}}`,
		values("{\"all\":["+strings.TrimSuffix(strings.Repeat("1,", 1000), ",")+"]}"))
	require.NoError(t, err)
	require.Nil(t, r.Failure)
	require.Len(t, r.Calls, 1000)
}

func TestRun_HugeLog_IsAClearError(t *testing.T) {
	t.Parallel()
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: say, action: "debug:log", each: "${{ parameters.all }}", input: {message: "${{ each.key }} ${{ parameters.text }}"}}`,
		values(`{"text":"`+strings.Repeat("x", 100_000)+`","all":[`+strings.TrimSuffix(strings.Repeat("1,", 200), ",")+`]}`))
	if err == nil {
		err = r.Failure
	}
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "the log of a dry run holds")
}

func TestRun_TooManyFiles_IsAClearError(t *testing.T) {
	t.Parallel()
	_, err := try(t, templates.V1Beta3, "steps: []", func(r *dryrun.Request) {
		r.Beside = make([]dryrun.File, 10_001)
	})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "10001 files came with the template")
}

func TestRun_FilesBeside_CantLeaveTheirFolder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../x", "/etc/x", "a/../../x", `..\x`, "a\x00b"} {
		_, err := try(t, templates.V1Beta3, "steps: []", func(r *dryrun.Request) { r.Beside = []dryrun.File{{Path: name}} })
		require.ErrorIs(t, err, fault.Denied, name)
	}
}

func TestRun_Secrets_AreNowhereInTheResult(t *testing.T) {
	t.Parallel()
	const secret = `hunter"22`
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: say, action: "debug:log", input: {message: "it is ${{ secrets.PASS }}"}}
  - {id: pub, action: "publish:github", input: {repoUrl: "github.com?owner=a&repo=b", description: "<${{ secrets.PASS }}>"}}
output: {leak: "${{ secrets.PASS }}"}`, func(r *dryrun.Request) { r.Secrets = map[string]string{"PASS": secret} })
	require.NoError(t, err)
	require.Nil(t, r.Failure)
	require.Contains(t, said(r), "it is ***")
	require.JSONEq(t, `{"repoUrl":"github.com?owner=a&repo=b","description":"<***>"}`, string(r.Calls[0].Input))
	require.NotContains(t, fmt.Sprintf("%+v %s", r, said(r)), "hunter")
}

func TestRun_CallerLeaves_Ends(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	engine := dryrun.New(dryrun.Options{Runs: run.Options{Registry: worker.Registry(config.Config{}, nil), Log: slog.New(slog.DiscardHandler)}})
	_, err := engine.Run(ctx, dryrun.Request{Run: plan.Run{Plan: plan.Plan{Steps: []plan.Step{{ID: "a", Action: "debug:log", Kind: plan.ActionStep}}}}})
	require.Error(t, err)
}

func TestRun_ActionThatNobodyKnows_FailsItsStepIfItIsReached(t *testing.T) {
	t.Parallel()
	const spec = `
steps:
  - {id: never, action: "publish:gitlab", if: false, input: {repoUrl: "gitlab.com?owner=a&repo=b"}}
  - {id: away, action: "publish:gitlab", if: "${{ parameters.host == 'gitlab' }}"}
  - {id: next, action: "debug:log"}
output: {url: "${{ steps.never.output.remoteUrl or steps.away.output.remoteUrl or 'none' }}"}`
	r, err := try(t, templates.V1Beta3, spec, values(`{"host":"github"}`))
	require.NoError(t, err)
	require.Nil(t, r.Failure)
	require.Equal(t, map[string]dryrun.State{"never": dryrun.Skipped, "away": dryrun.Skipped, "next": dryrun.Completed}, states(r))
	require.JSONEq(t, `{"url":"none"}`, string(r.Output))

	r, err = try(t, templates.V1Beta3, spec, values(`{"host":"gitlab"}`))
	require.NoError(t, err)
	require.ErrorIs(t, r.Failure, fault.NotFound)
	require.Equal(t, map[string]dryrun.State{"never": dryrun.Skipped, "away": dryrun.Failed, "next": dryrun.Skipped}, states(r))
}

func TestRun_ApprovalThatNobodyCanGive_FailsAsItsGateWould(t *testing.T) {
	t.Parallel()
	for input, says := range map[string]string{
		`{approvers: ["${{ parameters.team }}"]}`:                   "platform team!",
		`{approvers: ["${{ parameters.me }}"]}`:                     "the requester's own doesn't count",
		`{approvers: ["group:default/a"], timeout: "${{ '30x' }}"}`: `"30x" is not a duration`,
	} {
		r, err := try(t, templates.V3, "parameters: {properties: {team: {}, me: {}}}\nsteps:\n  - {id: ok, action: \"approval:request\", input: "+input+"}\n", values(`{"team":"platform team!","me":"user:default/rosa"}`))
		require.NoError(t, err)
		require.ErrorIs(t, r.Failure, fault.Invalid, input)
		require.ErrorContains(t, r.Failure, says)
	}
	r, err := try(t, templates.V3, `
steps:
  - {id: who, action: "okta:group:add-member", input: {group: a}}
  - {id: ok, action: "approval:request", input: {approvers: ["${{ steps.who.output.group }}"], reason: "${{ steps.who.output.group }}"}}`)
	require.NoError(t, err)
	require.Nil(t, r.Failure, "what stands for an output is nobody yet")
}

func TestRun_InputThatItsActionRefuses_FailsOffline(t *testing.T) {
	t.Parallel()
	for step, says := range map[string]string{
		`{id: a, action: "debug:wait", input: {minutes: 11}}`:                                                     "Waiting duration is longer",
		`{id: a, action: "catalog:fetch", input: {}}`:                                                             "Missing entity reference or references",
		`{id: a, action: "publish:github", input: {repoUrl: "github.com?repo=x"}}`:                                "repoUrl names no valid owner",
		`{id: a, action: "fetch:plain", input: {url: "https://github.com/acme/docs", targetPath: ../out}}`:        "outside its parent",
		`{id: a, action: "fetch:plain:file", input: {url: "https://github.com/acme/docs/a", targetPath: ../out}}`: "outside its parent",
		`{id: a, action: "catalog:register", input: {catalogInfoUrl: nowhere}}`:                                   "catalogInfoUrl is not a URL of a file",
		`{id: a, action: "debug:wait", each: [1, 700], input: {seconds: "${{ each.value }}"}}`:                    "Waiting duration is longer",
	} {
		r, err := try(t, templates.V1Beta3, "steps:\n  - "+step+"\n")
		require.NoError(t, err)
		require.NotNil(t, r.Failure, step)
		require.ErrorContains(t, r.Failure, says)
	}
	r, err := try(t, templates.V1Beta3, `
steps:
  - {id: made, action: "publish:github", input: {repoUrl: "github.com?owner=a&repo=b"}}
  - {id: read, action: "catalog:fetch", input: {entityRef: "${{ steps.made.output.commitHash }}"}}
  - {id: register, action: "catalog:register", input: {repoContentsUrl: "${{ steps.made.output.repoContentsUrl }}"}}`)
	require.NoError(t, err)
	require.Nil(t, r.Failure, "what stands for an output is not refused")
}

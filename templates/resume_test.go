package templates_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/templates"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestResume_KeepsWhatCompletedAndHasReadNothingElse(t *testing.T) {
	t.Parallel()
	p := plan.Plan{Steps: []plan.Step{
		{ID: "fetch", Workspace: plan.Writes, Input: raw(`{"values":{"n":"${{ parameters.name }}"}}`)},
		{ID: "repo", Needs: []string{"fetch"}, Workspace: plan.Reads, Input: raw(`{"url":"${{ parameters.owner }}"}`)},
		{ID: "gate", Kind: plan.GateStep, Needs: []string{"fetch", "repo"}, Input: raw(`{"reason":"${{ parameters.why }}"}`)},
		{ID: "tell", Needs: []string{"fetch", "repo", "gate"}, Input: raw(`{"message":"${{ steps.repo.output.url }}"}`)},
		{ID: "quiet", Needs: []string{"fetch", "repo", "gate", "tell"}, If: raw(`"${{ parameters.loud }}"`)},
		{ID: "after", Needs: []string{"fetch", "repo", "gate", "tell", "quiet"}, Input: raw(`{"message":"${{ steps.quiet.output.x }}"}`)},
		{ID: "always", Needs: []string{"fetch"}, If: raw(`"${{ always() }}"`), RunsAfterFailure: true},
		{ID: "write", Needs: []string{"fetch"}, Workspace: plan.Writes, Input: raw(`{"to":"${{ parameters.place }}"}`)},
		{ID: "read", Needs: []string{"fetch", "write"}, Workspace: plan.Reads},
		{ID: "ghost", Input: raw(`{"x":"${{ steps.nobody.output.x }}"}`)},
	}}
	done := func(leave ...string) (results []plan.Kept) {
		for _, s := range p.Steps {
			if !slices.Contains(leave, s.ID) {
				results = append(results, plan.Kept{Step: s.ID, Skipped: s.ID == "quiet"})
			}
		}
		return results
	}
	for name, c := range map[string]struct {
		results      []plan.Kept
		undone, kept []string
	}{
		"all that completed":         {done(), nil, []string{"fetch", "repo", "gate", "tell", "after", "write", "read", "ghost"}},
		"without what failed":        {done("write", "tell"), nil, []string{"fetch", "repo", "gate", "after", "ghost"}},
		"an undone step's readers":   {done(), []string{"repo"}, []string{"fetch", "gate", "after", "write", "read", "ghost"}},
		"an undone writer's readers": {done(), []string{"fetch"}, []string{"gate", "after", "ghost"}},
		"nothing":                    {nil, nil, []string{}},
	} {
		got := []string{}
		for _, k := range templates.Resume(p, c.results, c.undone).Kept {
			got = append(got, k.Step)
		}
		require.Equal(t, c.kept, got, name)
	}

	r := templates.Resume(p, done("read"), nil)
	for parameter, by := range map[string]string{"name": "fetch", "owner": "repo", "loud": "after", "place": "write", "why": "", "unused": ""} {
		require.Equal(t, by, r.Using(p, parameter), parameter)
	}
}

func TestResume_WhatCantBeDecided_CountsAsUsed(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]plan.Step{
		"by a name that is computed": {Input: raw(`{"x":"${{ parameters[parameters.which] }}"}`)},
		"all of them":                {Each: raw(`"${{ parameters }}"`)},
		"bound to another name":      {Input: raw(`{"x":"{% set p = parameters %}${{ p.name }}"}`)},
		"in a branch":                {Branches: []plan.Branch{{If: raw(`"${{ parameters | dump }}"`)}}, Kind: plan.SwitchStep},
	} {
		s.ID = "a"
		p := plan.Plan{Steps: []plan.Step{s}}
		require.Equal(t, "a", templates.Resume(p, []plan.Kept{{Step: "a"}}, nil).Using(p, "anything"), name)
	}
	p := plan.Plan{Steps: []plan.Step{
		{ID: "g", Kind: plan.GateStep}, {ID: "b", Needs: []string{"g"}, Input: raw(`{"x":"${{ steps.g.output.approvers }}"}`)},
		{ID: "c", Needs: []string{"g"}},
	}}
	results := []plan.Kept{{Step: "g"}, {Step: "b"}}
	require.Equal(t, "b", templates.Resume(p, results, nil).Using(p, "x"), "what was approved was approved for all values")
	require.Empty(t, templates.Resume(p, []plan.Kept{{Step: "g"}, {Step: "c"}}, nil).Using(p, "x"))
}

func TestResume_ABranchHoldsWithItsSwitch(t *testing.T) {
	t.Parallel()
	p := plan.Plan{Steps: []plan.Step{
		{ID: "ask"}, {ID: "size", Kind: plan.SwitchStep, Needs: []string{"ask"}, Branches: []plan.Branch{{Name: "big", If: raw(`"${{ steps.ask.output.big }}"`)}}},
		{ID: "in", Needs: []string{"size"}, Branch: &plan.InBranch{Switch: "size", Name: "big"}},
	}}
	results := []plan.Kept{{Step: "ask"}, {Step: "size", Branch: "big"}, {Step: "in"}}
	require.Len(t, templates.Resume(p, results, nil).Kept, 3)
	require.Empty(t, templates.Resume(p, results, []string{"ask"}).Kept)
}

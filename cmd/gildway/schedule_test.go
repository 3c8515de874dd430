package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCLI_Schedule_JSONIsWhatTheAPISays_AndATableForPeople(t *testing.T) {
	t.Parallel()
	const weekly = `"id":"weekly","template":"template:default/x","owner":"user:default/rosa","cron":"0 3 * * 1","timezone":"UTC","overlap":"skip","unknownToUs":true`
	const one = `{` + weekly + `}`
	const details = `{` + weekly + `,"values":{"team":"a"},"problem":"rosa has left","problemAt":"2026-01-31T12:00:00Z","next":["2026-02-02T03:00:00Z"],"tasks":[` + taskJSON + `]}`
	const path = "/api/gildway/v1/schedules"
	api := newFakeAPI(t, map[string]string{
		"POST " + path: one, "GET " + path: `{"items":[` + one + `]}`, "GET " + path + "/weekly": details, "DELETE " + path + "/weekly": one,
		"POST " + path + "/weekly/pause": one, "POST " + path + "/weekly/resume": one, "POST " + path + "/weekly/run": one,
	})
	for command, want := range map[string]string{
		"create x --cron @daily --id weekly": one, "list": `{"items":[` + one + `]}`, "show weekly": details,
		"pause weekly": one, "resume weekly": one, "run weekly": one, "delete weekly": one,
	} {
		args := append([]string{"task", "schedule"}, strings.Fields(command)...)
		status, out, errOut := api.gildway(t, append(args, "--output", "json")...)
		require.Zero(t, status, errOut)
		require.JSONEq(t, want, out, command)
		status, out, errOut = api.gildway(t, args...)
		require.Zero(t, status, errOut)
		require.Contains(t, out, "weekly", command)
	}
	require.Contains(t, api.asked, `POST `+path+`  {"id":"weekly","template":"template:default/x","values":{},"cron":"@daily","timezone":"UTC","overlap":"skip"}`)
	_, out, _ := api.gildway(t, "task", "schedule", "show", "weekly")
	for _, said := range []string{"could not run at", "rosa has left", "next at", "t1", `{"team":"a"}`} {
		require.Contains(t, out, said)
	}
	status, _, errOut := api.gildway(t, "task", "schedule", "create", "x")
	require.NotZero(t, status)
	require.Contains(t, errOut, "--cron @daily")
}

//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

func TestTemporal_Service_IsReadable(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "tilda")
	r := p.submitService(t, "readable-service")
	r.completes(t)
	requireReadable(t, r, servicePath, "Node.js Microservice (Golden Path)", nil)
}

func TestTemporal_Access_IsReadable(t *testing.T) {
	t.Parallel()
	p := shared(t).newcomer(t, "tea")
	r := p.submitAccess(t, manyTokens)
	require.Equal(t, []string{r.id}, shared(t).search(t, "GildwayRequester = '"+p.ref()+"' AND GildwayPhase = 'waiting' AND GildwayApprovers = 'group:default/ml-platform-team'", 1))
	r.approve(t)
	r.completes(t)
	requireReadable(t, r, accessPath, "Request LLM Gateway Access (Golden Path)", []string{"gildway:decide"})
	leases := shared(t).search(t, "GildwayRequester = '"+p.ref()+"' AND WorkflowType = 'gildway:lease' AND ExecutionStatus = 'Running'", 2)
	require.ElementsMatch(t, []string{"lease/" + r.id + "/membership", "lease/" + r.id + "/key"}, leases)
}

// requireReadable checks what an auditor sees of a completed run without knowing its id.
func requireReadable(t *testing.T, r run, template, title string, more []string) {
	t.Helper()
	s := r.by.stack
	found := s.search(t, fmt.Sprintf("GildwayTemplate = '%s' AND GildwayRequester = '%s' AND WorkflowType = '%s' AND GildwayPhase = 'completed'", template, r.by.ref(), template), 1)
	require.Equal(t, []string{r.id}, found)

	described, err := s.temporal(t).DescribeWorkflow(t.Context(), r.id, "")
	require.NoError(t, err)
	require.Equal(t, template, described.WorkflowType.Name)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, described.Status)
	summary, err := described.GetStaticSummary()
	require.NoError(t, err)
	require.Equal(t, r.by.ref()+" asked for "+title, summary)

	seen := map[string]map[string]bool{}
	for _, e := range s.history(t, r.id) {
		if kind := activityOf(t, e); kind != "" {
			if seen[kind] == nil {
				seen[kind] = map[string]bool{}
			}
			seen[kind][summaryOf(t, e)] = true
		}
	}
	for _, step := range r.graph(t).Steps {
		require.Contains(t, seen, step.Action)
		require.Contains(t, seen[step.Action], step.Name, "the summary of %s", step.Action)
	}
	for _, kind := range more {
		require.Contains(t, seen, kind)
	}
}

func (s *localStack) temporal(t *testing.T) temporal.Client {
	t.Helper()
	c, err := temporal.DialContext(t.Context(), temporal.Options{HostPort: s.endpoints.Temporal})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// search lists workflow ids once as many are found as are wanted.
func (s *localStack) search(t *testing.T, query string, want int) (ids []string) {
	t.Helper()
	c := s.temporal(t)
	eventually(t, query, func() bool {
		answer, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		ids = nil
		for _, e := range answer.GetExecutions() {
			ids = append(ids, idOf(e))
		}
		return err == nil && len(ids) == want
	})
	return ids
}

func idOf(e *workflow.WorkflowExecutionInfo) string { return e.GetExecution().GetWorkflowId() }

func (s *localStack) history(t *testing.T, workflow string) (events []*history.HistoryEvent) {
	t.Helper()
	iterator := s.temporal(t).GetWorkflowHistory(t.Context(), workflow, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		e, err := iterator.Next()
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}

// activityOf is the type of the activity that an event schedules, or whose local result it records.
func activityOf(t *testing.T, e *history.HistoryEvent) string {
	t.Helper()
	if scheduled := e.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
		return scheduled.GetActivityType().GetName()
	}
	marker := e.GetMarkerRecordedEventAttributes()
	if marker.GetMarkerName() != "LocalActivity" {
		return ""
	}
	for _, payload := range marker.GetDetails()["data"].GetPayloads() {
		var data struct{ ActivityType string }
		require.NoError(t, json.Unmarshal(payload.GetData(), &data))
		return data.ActivityType
	}
	return ""
}

func summaryOf(t *testing.T, e *history.HistoryEvent) string {
	t.Helper()
	return textOf(t, e.GetUserMetadata().GetSummary())
}

func textOf(t *testing.T, payload *common.Payload) (text string) {
	t.Helper()
	if payload != nil {
		require.NoError(t, converter.GetDefaultDataConverter().FromPayload(payload, &text))
	}
	return text
}

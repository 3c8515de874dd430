package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/gildway/gildway/internal/dev"
)

// history finds a run in Temporal as an auditor would: by template and requester.
func history(ctx context.Context, e dev.Endpoints, task, template string) []check {
	listed := check{what: "Temporal, workflow type"}
	done := check{what: "Temporal, activity types"}
	c, err := temporal.DialContext(ctx, temporal.Options{HostPort: e.Temporal})
	if err != nil {
		listed.err = err
		return []check{listed}
	}
	defer c.Close()
	query := fmt.Sprintf("GildwayTemplate = '%s' AND GildwayRequester = 'user:default/rosa' AND WorkflowId = '%s'", template, task)
	answer, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
	switch {
	case err != nil:
		listed.err = err
	case len(answer.GetExecutions()) != 1:
		listed.err = fmt.Errorf("%d runs match %s", len(answer.GetExecutions()), query)
	case answer.GetExecutions()[0].GetType().GetName() != template:
		listed.err = fmt.Errorf("the type is %s", answer.GetExecutions()[0].GetType().GetName())
	default:
		listed.found = template + ", found by requester and template, " + answer.GetExecutions()[0].GetStatus().String()
	}
	done.found, done.err = activityTypes(ctx, c, task)
	return []check{listed, done}
}

func activityTypes(ctx context.Context, c temporal.Client, task string) (string, error) {
	var types []string
	events := c.GetWorkflowHistory(ctx, task, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return "", err
		}
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		if scheduled == nil {
			continue
		}
		name := scheduled.GetActivityType().GetName()
		var summary string
		if payload := event.GetUserMetadata().GetSummary(); payload != nil {
			if err := converter.GetDefaultDataConverter().FromPayload(payload, &summary); err != nil {
				return "", err
			}
		}
		if line := fmt.Sprintf("%s (%s)", name, summary); !slices.Contains(types, line) {
			types = append(types, line)
		}
	}
	if len(types) == 0 {
		return "", errors.New("no activity in history")
	}
	return strings.Join(types, ", "), nil
}

// Package debug holds the actions with which a template author sees what a run does.
package debug

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// LogInput is the input of debug:log.
type LogInput struct {
	Message              string `json:"message,omitempty" jsonschema_description:"Text for the run's log."`
	ListWorkspace        bool   `json:"listWorkspace,omitempty" jsonschema_description:"List the names of all files in the workspace."`
	ListWorkspaceContent bool   `json:"listWorkspaceContent,omitempty" jsonschema_description:"List the files with their contents."`
}

// Nothing is the output of actions that have none.
type Nothing struct{}

// Log is debug:log.
func Log() activities.Action {
	return activities.Define(activities.Spec[LogInput, Nothing]{
		ID:          "debug:log",
		Description: "Writes a message, or what is in the workspace, to the run's log.",
		Examples: []plan.Example{{
			Description: "Show a value and the files so far",
			YAML: `steps:
  - id: show
    name: Show the name
    action: debug:log
    input:
      message: The service is ${{ parameters.name }}
      listWorkspace: true
`,
		}},
		Workspace: plan.Reads,
		Local:     true,
		Do: func(_ context.Context, call *activities.Call, in LogInput) (Nothing, error) {
			if in.Message != "" {
				call.Log("%s", in.Message)
			}
			if !in.ListWorkspace && !in.ListWorkspaceContent {
				return Nothing{}, nil
			}
			list, err := listing(call.Files, in.ListWorkspaceContent)
			if err != nil {
				return Nothing{}, err
			}
			call.Log("Workspace:\n%s", list)
			return Nothing{}, nil
		},
	})
}

func listing(files fs.FS, contents bool) (string, error) {
	var lines []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		line := "  - " + name
		if contents && d.Type().IsRegular() {
			content, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			line += "\n\n" + string(content) + "\n"
		}
		lines = append(lines, line)
		return nil
	})
	return strings.Join(lines, "\n"), err
}

// MaxWait is how long debug:wait waits at most: it holds a place in the worker all the time.
const MaxWait = 10 * time.Minute

// WaitInput is the input of debug:wait. The parts add up.
type WaitInput struct {
	Minutes      float64 `json:"minutes,omitempty" jsonschema:"minimum=0"`
	Seconds      float64 `json:"seconds,omitempty" jsonschema:"minimum=0"`
	Milliseconds float64 `json:"milliseconds,omitempty" jsonschema:"minimum=0"`
}

func (in WaitInput) duration() (time.Duration, error) {
	minutes := in.Minutes + in.Seconds/60 + in.Milliseconds/60_000
	if minutes > MaxWait.Minutes() {
		return 0, fault.New(fault.Invalid, "debug:wait was asked to wait for %.4g minutes; it waits for %.4g at most", minutes, MaxWait.Minutes())
	}
	return time.Duration(minutes * float64(time.Minute)).Round(time.Microsecond), nil
}

// Wait is debug:wait.
func Wait() activities.Action {
	return activities.Define(activities.Spec[WaitInput, Nothing]{
		ID:          "debug:wait",
		Description: "Waits, for ten minutes at most. The default is no time at all.",
		Examples: []plan.Example{{
			Description: "Wait for three seconds",
			YAML: `steps:
  - id: wait
    name: Wait a moment
    action: debug:wait
    input:
      seconds: 3
`,
		}},
		WhyNoUndo: "changes nothing",
		Do: func(ctx context.Context, call *activities.Call, in WaitInput) (Nothing, error) {
			wait, err := in.duration()
			if err != nil {
				return Nothing{}, err
			}
			call.Log("Waiting for %s", wait)
			timer := time.NewTimer(wait)
			defer timer.Stop()
			select {
			case <-timer.C:
				return Nothing{}, nil
			case <-ctx.Done():
				return Nothing{}, fault.Wrap(fault.Unavailable, ctx.Err(), "the wait was interrupted")
			}
		},
	})
}

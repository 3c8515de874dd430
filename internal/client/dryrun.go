package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Preview is what a run of a template would do.
type Preview struct {
	Log               []PreviewLine     `json:"log"`
	DirectoryContents []PreviewFile     `json:"directoryContents"`
	Output            json.RawMessage   `json:"output"`
	Steps             []json.RawMessage `json:"steps"`
	Effects           []PreviewEffect   `json:"effects"`
	Edges             json.RawMessage   `json:"edges"`
}

// PreviewLine is a line of the run's log.
type PreviewLine struct {
	Body struct {
		StepID  string `json:"stepId,omitempty"`
		Status  string `json:"status,omitempty"`
		Message string `json:"message"`
	} `json:"body"`
}

// State gives how a step ended: completed, skipped or failed; "" if nothing is known of it.
func (p Preview) State(step string) (state string) {
	for _, line := range p.Log {
		if line.Body.StepID == step && line.Body.Status != "" {
			state = line.Body.Status
		}
	}
	return state
}

// Skipped says why a step would be skipped, or nothing.
func (p Preview) Skipped(step string) string {
	for _, line := range p.Log {
		if line.Body.StepID == step && line.Body.Status == "skipped" {
			return line.Body.Message
		}
	}
	return ""
}

// Fails says why the run would fail, as far as the providers can tell now, or nothing.
func (p Preview) Fails() string {
	for _, e := range p.Effects {
		if e.Fails != "" {
			return "step " + e.Step + ": " + e.Fails
		}
	}
	return ""
}

// PreviewFile is a file that the run would leave in its workspace.
type PreviewFile struct {
	Path       string `json:"path"`
	Executable bool   `json:"executable"`
	Content    []byte `json:"base64Content"`
}

// PreviewEffect is what a step would do to the world.
type PreviewEffect struct {
	Step      string   `json:"step"`
	Iteration string   `json:"iteration,omitempty"`
	Action    string   `json:"action"`
	Would     []string `json:"would"`
	Fails     string   `json:"fails,omitempty"`
}

// PreviewRun tries a run of a template that the API has. A step that fails is the error.
func (c *Client) PreviewRun(ctx context.Context, templateRef string, values json.RawMessage, secrets map[string]string) (Preview, error) {
	var p Preview
	return p, c.callWithin(ctx, previewTimeout, http.MethodPost, "/api/gildway/v1/dry-run",
		map[string]any{"templateRef": templateRef, "values": values, "secrets": secrets}, &p)
}

package templates

import (
	"slices"

	"github.com/gildway/gildway/internal/nearest"
)

// habits are names that people bring from other tools, and ours.
var habits = map[string]string{
	"when": "if", "condition": "if", "dependsOn": "needs", "depends_on": "needs", "with": "input", "inputs": "input",
	"params": "input", "uses": "action", "foreach": "each", "forEach": "each", "loop": "each", "retries": "retry",
	"outputs": "output", "inputParameters": "parameters", "onError": "onFailure", "parallelism": "parallel",
}

func suggestField(name string, fields []string) string {
	if h, ok := habits[name]; ok && slices.Contains(fields, h) {
		return h
	}
	return nearest.Name(name, fields)
}

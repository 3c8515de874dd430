package templates

import (
	"encoding/json"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/plan"
)

// ReadsSecret reports whether a step of a plan may read a secret of that name.
func ReadsSecret(p *plan.Plan, name string) bool {
	reads := false
	for _, s := range p.Steps {
		for _, raw := range []json.RawMessage{s.If, s.Each, s.Input} {
			tree, err := expr.FromJSON(raw)
			if err != nil {
				continue // there is none
			}
			expr.WalkTree(tree, func(_ []string, src string) {
				parsed, err := expr.Parse(src, expr.Options{})
				if err != nil {
					return // the raw text is the value
				}
				for _, ref := range parsed.References() {
					reads = reads || ref.Path[0] == "secrets" && (len(ref.Path) == 1 || ref.Path[1] == name)
				}
			})
		}
	}
	return reads
}

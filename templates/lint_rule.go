package templates

import "slices"

// Level is how bad it is to break a rule.
type Level string

// The levels.
const (
	None    Level = ""        // the version has no such rule
	Error   Level = "error"   // refused: lint exits with 1 and a submit is answered with it
	Advised Level = "warning" // it runs; lint exits with 1 only if it is told to be strict
)

// Rule is one of the rules of the language. It is the source of docs/lint.md and of SARIF's metadata.
type Rule struct {
	ID    string
	Title string
	Why   string // why it matters, in a sentence or two
	V3    Level
	Beta  Level // in v1beta3
	// Bad breaks the rule and Good doesn't: the spec of a template, or a whole file where that is what matters.
	Bad, Good string
	Files     map[string]string // the files beside the template, for Bad and Good; those of Good stand under "good/"
	// Named says that the message quotes the wrong name first and that the fix is the name to write instead.
	Named bool
}

// Rules are all rules, by subject.
func Rules() []Rule {
	return slices.Concat(formRules, stepRules, childRules, expressionRules, conditionRules, fileRules)
}

// RuleOf finds a rule by its id.
func RuleOf(id string) (Rule, bool) {
	for _, r := range Rules() {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

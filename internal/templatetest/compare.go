package templatetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"
	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/plan"
)

// happened is what a run would have done.
type happened struct {
	plan   *plan.Plan
	result dryrun.Result
}

// digestPrefix begins a file's content that is given by its digest, which suits binary and long files.
const digestPrefix = "sha256:"

// inTheFormOf gives what happened in those sections that are expected, and the error in any case.
func (h happened) inTheFormOf(e expectation) expectation {
	shown := expectation{}
	for section, wanted := range e {
		if section != failure {
			shown[section] = h.section(section, wanted)
		}
	}
	if f := h.result.Failure; f != nil {
		said := map[string]any{"kind": string(f.Kind), "message": f.Public}
		if wanted, ok := e[failure].(map[string]any); ok && len(wanted) > 0 {
			for key := range said {
				if _, asked := wanted[key]; !asked {
					delete(said, key)
				}
			}
		}
		shown[failure] = said
	}
	return shown
}

func (h happened) section(name string, wanted any) any {
	switch name {
	case edges:
		list := []any{}
		for _, e := range h.plan.Edges {
			list = append(list, fmt.Sprintf("%s -> %s (%s)", e.From, e.To, e.Reason))
		}
		return list
	case skipped:
		return h.ended(dryrun.Skipped)
	case failed:
		return h.ended(dryrun.Failed)
	case calls:
		list := []any{}
		for _, c := range h.result.Calls {
			shown := map[string]any{"step": c.Step, "action": c.Action, "input": c.Input}
			if c.Iteration != "" {
				shown["iteration"] = c.Iteration
			}
			list = append(list, shown)
		}
		return list
	case files:
		return h.files(wanted)
	default:
		var out any
		if json.Unmarshal(h.result.Output, &out) != nil {
			return nil // a run that failed has none
		}
		return out
	}
}

func (h happened) ended(state dryrun.State) []any {
	ids := []any{}
	for _, s := range h.result.Steps {
		if s.State == state {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// files gives those files that are asked for; all of them if none is. A digest is answered with a digest.
func (h happened) files(wanted any) any {
	content := map[string][]byte{}
	for _, f := range h.result.Files {
		content[f.Path] = f.Content
	}
	asked, _ := wanted.(map[string]any)
	shown := map[string]any{}
	if len(asked) == 0 {
		for name, text := range content {
			shown[name] = shownFile(text, len(text) > shortFile)
		}
	}
	for name, want := range asked {
		text, there := content[name]
		if !there {
			shown[name] = nil
			continue
		}
		says, _ := want.(string)
		shown[name] = shownFile(text, strings.HasPrefix(says, digestPrefix))
	}
	return shown
}

// shortFile is how long a file may be that an update writes out, in bytes.
const shortFile = 2000

func shownFile(content []byte, asDigest bool) string {
	if asDigest || !utf8.Valid(content) {
		sum := sha256.Sum256(content)
		return digestPrefix + hex.EncodeToString(sum[:])
	}
	return string(content)
}

// diff is empty if what happened is what is expected.
func (e expectation) diff(h happened) string {
	got := h.inTheFormOf(e)
	want, is := canonical(map[string]any(e)), canonical(map[string]any(got))
	if reflect.DeepEqual(want, is) {
		return ""
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(want), B: lines(is), FromFile: "expected", ToFile: "happened", Context: 3,
	})
	if err != nil {
		return err.Error()
	}
	return text
}

// canonical makes values equal that are the same JSON.
func canonical(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var same any
	if err := json.Unmarshal(raw, &same); err != nil {
		return string(raw)
	}
	return same
}

func lines(v any) []string {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return []string{err.Error()}
	}
	return difflib.SplitLines(text.String())
}

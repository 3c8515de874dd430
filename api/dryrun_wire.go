package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/templates"
)

// readTemplate reads a template that came as JSON. Where something stands in it, only its path says.
func readTemplate(raw json.RawMessage) (*templates.Template, error) {
	tree, err := expr.FromJSON(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "Input template is not a template")
	}
	text, err := expr.ToJSON(tree)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "Input template is not a template")
	}
	t, problems := templates.Parse("", printable(text))
	switch {
	case t != nil && len(problems) == 0:
		return t, nil
	case t != nil && t.APIVersion == templates.V3:
		return nil, withoutLines("the template can't run as it is written", problems)
	default:
		return nil, fault.New(fault.Invalid, "Input template is not a template")
	}
}

// printable escapes what JSON may hold as it is and YAML may not.
func printable(text []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(text) {
		if r < 0x10000 && r != ' ' && !unicode.IsGraphic(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.Bytes()
}

func withoutLines(summary string, problems []fault.Problem) error {
	for i := range problems {
		problems[i].File, problems[i].Line, problems[i].Column = "", 0, 0
	}
	return fault.WithProblems(summary, problems)
}

// registered are the actions that there are.
func (s *Server) registered() templates.Actions {
	actions := templates.Actions{}
	for _, a := range s.Actions {
		actions[a.ID] = a
	}
	return actions
}

// decodeBase64 reads what can be read, as Node does.
func decodeBase64(text string) []byte {
	text, _, _ = strings.Cut(text, "=")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '+' && r != '/':
			return -1
		}
		return r
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	content, _ := base64.RawStdEncoding.DecodeString(text) // nothing is left that it could refuse
	return content
}

func shownLog(lines []dryrun.Line) []DryRunLine {
	shown := make([]DryRunLine, len(lines))
	for i, l := range lines {
		shown[i].Body.StepId, shown[i].Body.Status, shown[i].Body.Message = l.Step, l.Status, l.Message
	}
	return shown
}

func shownFiles(files []dryrun.File) []WrittenFile {
	shown := make([]WrittenFile, len(files))
	for i, f := range files {
		shown[i] = WrittenFile{Path: f.Path, Executable: f.Executable, Base64Content: f.Content}
	}
	return shown
}

// inProblems puts value errors, which Backstage has a form of its own for, into ours.
func inProblems(err error) error {
	var refused valuesRefused
	if !errors.As(err, &refused) {
		return err
	}
	problems := make([]fault.Problem, len(refused))
	for i, wrong := range refused {
		problems[i] = fault.Problem{Path: wrong.Property, Rule: wrong.Name, Says: wrong.Message}
	}
	return fault.WithProblems("the values don't fit the template", problems)
}

// dryRunAnswer is written byte for byte as Backstage writes it.
type dryRunAnswer DryRunResult

func (a dryRunAnswer) VisitDryRunResponse(w http.ResponseWriter) error {
	raw, err := plainJSON(DryRunResult(a))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", backstageJSON)
	_, err = w.Write(raw)
	return err
}

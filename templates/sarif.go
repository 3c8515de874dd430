package templates

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/nearest"
)

// The parts of SARIF 2.1.0 that lint writes; names and meanings are the standard's.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		URI   string      `json:"informationUri"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string       `json:"id"`
		Short   sarifText    `json:"shortDescription"`
		Full    sarifText    `json:"fullDescription"`
		Help    sarifText    `json:"help"`
		HelpURI string       `json:"helpUri"`
		Default sarifDefault `json:"defaultConfiguration"`
	}
	sarifDefault struct {
		Level Level `json:"level"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     Level           `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
		Fixes     []sarifFix      `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted sarifText   `json:"insertedContent"`
	}
)

// home is where the documentation is read.
const home = "https://github.com/gildway/gildway"

// SARIF writes what lint found as a SARIF 2.1.0 log: paths relative to the folder that lint ran in,
// columns in characters, and a fix where a name has only to be replaced by another.
func (r LintReport) SARIF() ([]byte, error) {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "gildway template lint", URI: home}},
		ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	places := map[string]int{}
	for i, rule := range Rules() {
		places[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule.sarif())
	}
	files := map[string][]string{}
	for _, p := range r.Problems {
		run.Results = append(run.Results, sarifOf(p, places, files))
	}
	return json.MarshalIndent(sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	}, "", "  ")
}

func (r Rule) sarif() sarifRule {
	level := r.V3
	if level == None {
		level = r.Beta
	}
	help := sarifText{Text: r.Why, Markdown: r.Why}
	if r.Bad != "" && r.Files == nil {
		help.Markdown += "\n\nInstead of\n\n```yaml\n" + r.Bad + "```\n\nwrite\n\n```yaml\n" + r.Good + "```\n"
	}
	return sarifRule{
		ID: r.ID, Short: sarifText{Text: r.Title}, Full: sarifText{Text: r.Why}, Help: help,
		HelpURI: home + "/blob/main/docs/lint.md#" + r.ID, Default: sarifDefault{level},
	}
}

func sarifOf(p fault.Problem, places map[string]int, files map[string][]string) sarifResult {
	out := sarifResult{RuleID: p.Rule, RuleIndex: -1, Level: Error, Message: sarifText{Text: p.Says}}
	if i, ok := places[p.Rule]; ok {
		out.RuleIndex = i
	}
	if p.Severity == fault.Warning {
		out.Level = Advised
	}
	if p.Try != "" {
		out.Message.Text += "; try: " + p.Try
	}
	at := sarifLocation{Physical: sarifPhysical{Artifact: artifactOf(p.File)}}
	if p.Path != "" {
		at.Logical = []sarifLogical{{p.Path}}
	}
	if p.Line > 0 {
		at.Physical.Region = &sarifRegion{StartLine: p.Line, StartColumn: p.Column}
		if change, ok := replacement(p, files); ok {
			at.Physical.Region.EndColumn = change.Deleted.EndColumn
			out.Fixes = []sarifFix{{
				Description: sarifText{Text: "Write " + p.Try},
				Changes:     []sarifChange{{artifactOf(p.File), []sarifReplacement{change}}},
			}}
		}
	}
	out.Locations = []sarifLocation{at}
	return out
}

func artifactOf(file string) sarifArtifact {
	slashed := filepath.ToSlash(filepath.Clean(file))
	escaped := strings.NewReplacer("%", "%25", " ", "%20", "#", "%23", "?", "%3F").Replace(slashed)
	if filepath.IsAbs(file) {
		return sarifArtifact{URI: "file://" + escaped}
	}
	return sarifArtifact{URI: escaped, Base: "%SRCROOT%"}
}

// reference is what an expression reads, as far as it stands in one piece: steps.a.output['b'].
var reference = regexp.MustCompile(`^[\w$.'"\[\]-]+`)

var quotedName = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// replacement finds the wrong name that a message quotes at its place in the file.
func replacement(p fault.Problem, files map[string][]string) (sarifReplacement, bool) {
	rule, ok := RuleOf(p.Rule)
	if !ok || !rule.Named || p.Try == "" {
		return sarifReplacement{}, false
	}
	wrong, err := strconv.Unquote(quotedName.FindString(p.Says))
	if err != nil || wrong == "" {
		return sarifReplacement{}, false
	}
	if p.Rule == "unknown-action" && !nearest.Slip(wrong, p.Try) {
		return sarifReplacement{}, false // it may be another provider's
	}
	lines, read := files[p.File]
	if !read {
		if src, err := os.ReadFile(p.File); err == nil {
			lines = strings.Split(string(src), "\n")
		}
		files[p.File] = lines
	}
	if p.Line > len(lines) {
		return sarifReplacement{}, false
	}
	line := []rune(lines[p.Line-1])
	if p.Column < 1 || p.Column > len(line) {
		return sarifReplacement{}, false
	}
	if strings.Contains(p.Try, "'") && strings.Contains(string(line), "'") {
		return sarifReplacement{}, false // it may stand in single quotes
	}
	rest := string(line[p.Column-1:])
	offset := wordIndex(rest, wrong)
	if offset < 0 {
		return sarifReplacement{}, false
	}
	if path := reference.FindString(rest); offset+len(wrong) <= len(path) && wordIndex(path[offset+len(wrong):], wrong) >= 0 {
		return sarifReplacement{}, false // which of the two is wrong isn't known
	}
	start := p.Column + utf8.RuneCountInString(rest[:offset])
	return sarifReplacement{
		Deleted:  sarifRegion{StartLine: p.Line, StartColumn: start, EndColumn: start + utf8.RuneCountInString(wrong)},
		Inserted: sarifText{Text: p.Try},
	}, true
}

// wordIndex is where a name stands by itself, not as a part of a longer one, or -1.
func wordIndex(s, name string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], name)
		if i < 0 {
			return -1
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(name):])
		if !inName(before) && !inName(after) {
			return i
		}
		from = i + len(name)
	}
}

func inName(r rune) bool {
	return r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

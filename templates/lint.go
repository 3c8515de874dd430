package templates

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// LintReport is what lint found in files: refusals, which no submit gets past, and warnings.
type LintReport struct {
	Templates int             // how many were looked at
	Problems  []fault.Problem // sorted by file, line and column
}

// Refused says whether one of the templates can't be run.
func (r LintReport) Refused() bool {
	return slices.ContainsFunc(r.Problems, func(p fault.Problem) bool { return p.Severity == fault.Refused })
}

// LintPaths lints template files with the skeletons beside them, and every template.yaml below a folder.
func LintPaths(names []string, actions Actions) LintReport {
	all := LintReport{}
	for _, name := range names {
		r := lintPath(name, actions)
		all.Templates += r.Templates
		all.Problems = append(all.Problems, r.Problems...)
	}
	slices.SortStableFunc(all.Problems, byPlace)
	return all
}

func byPlace(a, b fault.Problem) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

func lintPath(name string, actions Actions) LintReport {
	info, err := os.Stat(name)
	if err != nil {
		return LintReport{Problems: []fault.Problem{unreadable(name, err)}}
	}
	files := []string{name}
	if info.IsDir() {
		if files, err = findTemplates(name); err != nil {
			return LintReport{Problems: []fault.Problem{unreadable(name, err)}}
		}
		if len(files) == 0 {
			return LintReport{Problems: []fault.Problem{{File: name, Rule: "no-template", Says: "there is no " + templateFile + " below " + name}}}
		}
	}
	r := LintReport{Templates: len(files)}
	for _, file := range files {
		r.Problems = append(r.Problems, lintFile(file, actions)...)
	}
	return r
}

func lintFile(file string, actions Actions) []fault.Problem {
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return []fault.Problem{unreadable(file, err)}
	}
	defer root.Close()
	return LintFolder(root.FS(), filepath.Base(file), filepath.ToSlash(file), actions)
}

// LintFolder lints the template `name` of a folder together with the skeletons in it. Problems carry
// its name as `shown`, and files beside it the folder of that name.
func LintFolder(folder fs.FS, name, shown string, actions Actions) []fault.Problem {
	src, err := readBounded(folder, name, maxFile+1)
	if err != nil {
		return []fault.Problem{unreadable(shown, err)}
	}
	t, problems := Parse(shown, src)
	if t == nil {
		return problems
	}
	l := newLinter(t, actions)
	problems = append(problems, Lint(t, actions)...)
	l.template()
	l.skeletons(folder, path.Dir(shown))
	return l.finish(append(problems, l.found...))
}

// linter looks for what a template can be run with and hardly means.
type linter struct {
	*compiler
	params *form
	found  []fault.Problem
	// sources are the lines of the files that problems stand in.
	sources map[string][]string
}

func newLinter(t *Template, actions Actions) *linter {
	c := newCompiler(t, actions)
	c.check() // for the graph and what is known of the steps; its problems are Lint's
	return &linter{compiler: c, params: formOf(t), sources: map[string][]string{t.File: t.lines}}
}

func (l *linter) warn(at mark, path, rule, says, try string) {
	p := l.problem(at, path, rule, says, try)
	p.Severity = fault.Warning
	l.add(p)
}

func (l *linter) add(p fault.Problem) {
	if len(l.found) < maxProblems {
		l.found = append(l.found, p)
	}
}

func (l *linter) template() {
	l.fields()
	l.keys()
	l.dashedIDs()
	l.conditions()
	l.comparisons()
	l.secrets()
	l.loops()
	l.unusedParameters()
	l.redundantNeeds()
	l.effectsBeforeGates()
	l.inputsWithoutEffect()
}

// finish leaves out what is said twice or allowed, and sorts the rest.
func (l *linter) finish(problems []fault.Problem) []fault.Problem {
	slices.SortStableFunc(problems, func(a, b fault.Problem) int {
		return cmp.Or(byPlace(a, b),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Says, b.Says), cmp.Compare(a.Severity, b.Severity))
	})
	problems = slices.CompactFunc(problems, func(a, b fault.Problem) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Rule == b.Rule && a.Says == b.Says
	})
	problems = l.onlyDashed(problems)
	kept := problems[:0]
	allowed := map[allowance]bool{}
	for _, p := range problems {
		if a, ok := l.allows(p); ok {
			allowed[a] = true
			continue
		}
		if p.Rule == "bad-expression" && p.Try == "" {
			p.Try = l.operator(p)
		}
		kept = append(kept, p)
	}
	kept = append(kept, l.idleAllowances(allowed)...)
	slices.SortStableFunc(kept, byPlace)
	return kept
}

// operators are what JavaScript has and the language writes in words.
var operators = []struct{ prefix, words string }{
	{"&&", "and"}, {"||", "or"}, {"!", "not"}, {"?", "value if condition else other"}, {"=>", "a filter: there are no functions"},
}

// operator says what to write for an operator that the language doesn't have.
func (l *linter) operator(p fault.Problem) string {
	lines := l.sources[p.File]
	if p.Line < 1 || p.Line > len(lines) {
		return ""
	}
	rest := []rune(lines[p.Line-1])
	if p.Column < 1 || p.Column > len(rest) {
		return ""
	}
	for _, o := range operators {
		if strings.HasPrefix(string(rest[p.Column-1:]), o.prefix) {
			return o.words
		}
	}
	return ""
}

// allowance is a rule named by a comment "# lint:allow rule, rule: reason" on the line of a warning or
// on the lines of comments above it.
type allowance struct {
	file string
	line int // of the comment
	rule string
}

var allowComment = regexp.MustCompile(`#\s*lint:allow\s+([a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)`)

func allowedRules(line string) []string {
	m := allowComment.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	rules := strings.Split(m[1], ",")
	for i := range rules {
		rules[i] = strings.TrimSpace(rules[i])
	}
	return rules
}

func (l *linter) allows(p fault.Problem) (allowance, bool) {
	lines := l.sources[p.File]
	if p.Severity != fault.Warning || p.Line < 1 || p.Line > len(lines) {
		return allowance{}, false
	}
	for line := p.Line; line >= 1; line-- {
		text := lines[line-1]
		if line < p.Line && !onlyComment(text) {
			break
		}
		if slices.Contains(allowedRules(text), p.Rule) {
			return allowance{p.File, line, p.Rule}, true
		}
	}
	return allowance{}, false
}

func onlyComment(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, "{#") && strings.HasSuffix(line, "#}")
}

func (l *linter) idleAllowances(used map[allowance]bool) (problems []fault.Problem) {
	for file, lines := range l.sources {
		for i, text := range lines {
			for _, rule := range allowedRules(text) {
				if !used[allowance{file, i + 1, rule}] {
					problems = append(problems, fault.Problem{
						File: file, Line: i + 1, Column: strings.Index(text, "#") + 1, Rule: "idle-allowance", Severity: fault.Warning,
						Says: "nothing here warns of " + rule, Try: "remove the comment",
					})
				}
			}
		}
	}
	return problems
}

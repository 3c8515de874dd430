package templates

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gildway/gildway/internal/expr"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/glob"
)

// maxSkeletonFiles bounds how many files of one skeleton are looked at.
const maxSkeletonFiles = 10_000

// maxSkeletons bounds what is looked at in the files of one step, in bytes.
const maxSkeletons = 64 << 20

// skeletons finds out if the files that steps fetch are there, and checks those that they render against what the steps
// pass to them.
func (l *linter) skeletons(folder fs.FS, shown string) {
	for i := range l.t.steps {
		s := &l.t.steps[i]
		if !slices.Contains(fetching, s.action) {
			continue
		}
		url := s.node.get("input").get("url")
		if url == nil || url.kind != stringNode || hasTags(url.text) || strings.Contains(url.text, ":") || strings.HasPrefix(url.text, "/") {
			continue
		}
		name := path.Clean(url.text)
		if !fs.ValidPath(name) {
			continue
		}
		info, err := fs.Stat(folder, name)
		if errors.Is(err, fs.ErrNotExist) {
			l.warn(url.mark, s.path+".input.url", "no-skeleton", fmt.Sprintf("there is no %q beside the template", url.text), l.nearest(url.text, siblings(folder, name)))
			continue
		}
		if err != nil || strings.HasPrefix(s.action, "fetch:plain") || info.IsDir() == (s.action == "fetch:template:file") {
			continue
		}
		l.skeleton(s, folder, name, shown, info.IsDir())
	}
}

// fetching are the actions with the URL of files.
var fetching = []string{"fetch:template", "fetch:template:file", "fetch:plain", "fetch:plain:file"}

// siblings are the relative URLs of what stands where `name` should.
func siblings(folder fs.FS, name string) (urls []string) {
	entries, _ := fs.ReadDir(folder, path.Dir(name))
	for _, e := range entries {
		urls = append(urls, "./"+path.Join(path.Dir(name), e.Name()))
	}
	return urls
}

// skeleton is what one step renders.
type skeleton struct {
	*linter
	step    *step
	input   *node
	root    string // the name that its files read values by
	options expr.Options
	shown   string // the folder of the template, as problems name it

	reads    map[string]bool // values read
	optional map[string]bool // values that some file can do without
	missing  []missingValue
	all      bool // something reads the values as a whole
}

type missingValue struct {
	name, file string
	at         mark
	source     []byte
}

func (l *linter) skeleton(s *step, folder fs.FS, name, shown string, isDir bool) {
	input := s.node.get("input")
	k := &skeleton{linter: l, step: s, input: input, root: "values", shown: shown, reads: map[string]bool{}, optional: map[string]bool{}}
	isTrue := func(key string) bool { n := input.get(key); return n != nil && n.kind == boolNode && n.text == "true" }
	k.options = expr.Options{CookiecutterCompat: isTrue("cookiecutterCompat"), TrimBlocks: isTrue("trimBlocks"), LstripBlocks: isTrue("lstripBlocks")}
	if k.options.CookiecutterCompat {
		k.root = "cookiecutter"
	}
	verbatim, extension, known := k.selection(folder, name)
	if !known {
		return
	}
	files, rendered, left := 0, 0, int64(maxSkeletons)
	err := fs.WalkDir(folder, name, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(strings.TrimPrefix(file, name), "/")
		if isDir && relative != "" {
			k.text(file, []byte(relative), true)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if files++; files > maxSkeletonFiles || left < 0 {
			k.all = true // what the others read is not known
			return fs.SkipAll
		}
		if !strings.HasSuffix(file, extension) || verbatim.Has(relative, false) {
			return nil
		}
		rendered++
		src, err := readBounded(folder, file, maxFile+1)
		if err != nil {
			return err
		}
		left -= int64(len(src))
		if len(src) > maxFile || left < 0 {
			k.all = true
		} else if utf8.Valid(src) && !bytes.ContainsRune(src, 0) {
			k.text(file, src, false)
		}
		return nil
	})
	if err != nil {
		l.add(unreadable(path.Join(shown, name), err))
		return
	}
	if extension != "" && rendered == 0 {
		l.warn(input.keyMark("templateFileExtension"), s.path+".input.templateFileExtension", "input-without-effect",
			fmt.Sprintf("no file in %s ends in %s: nothing is rendered", name, extension), "")
	}
	k.values()
}

// selection says which files are rendered; it isn't known if an expression says so.
func (k *skeleton) selection(folder fs.FS, name string) (verbatim glob.Selection, extension string, known bool) {
	if n := k.input.get("templateFileExtension"); n != nil {
		switch {
		case n.templated():
			return nil, "", false
		case n.kind == stringNode && n.text != "":
			extension = "." + strings.TrimPrefix(n.text, ".")
		case n.kind == boolNode && n.text == "true":
			extension = ".njk"
		}
	}
	list := k.input.get("copyWithoutTemplating")
	if list == nil {
		return nil, extension, true
	}
	if list.templated() {
		return nil, "", false
	}
	source, err := fs.Sub(folder, name)
	if err != nil {
		return nil, "", false
	}
	var patterns []string
	for i, item := range list.items {
		if item.kind != stringNode {
			continue
		}
		patterns = append(patterns, item.text)
		alone, err := glob.Select(source, []string{item.text})
		if err == nil && !strings.HasPrefix(item.text, "!") && !selectsAny(source, alone) {
			k.warn(item.mark, fmt.Sprintf("%s.input.copyWithoutTemplating[%d]", k.step.path, i), "input-without-effect",
				fmt.Sprintf("%q selects no file of %s", item.text, name), "")
		}
	}
	verbatim, err = glob.Select(source, patterns)
	return verbatim, extension, err == nil
}

func selectsAny(source fs.FS, selection glob.Selection) bool {
	found := false
	_ = fs.WalkDir(source, ".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && selection.Has(file, false) {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// text looks at the content of a file, or at the name that it gets.
func (k *skeleton) text(file string, src []byte, isName bool) {
	parsed, err := expr.Parse(string(src), k.options)
	at := func(offset int) mark {
		if isName {
			return mark{}
		}
		return placeOf(src, min(offset, len(src)))
	}
	if err != nil {
		offset, says := 0, err.Error()
		var syntax *expr.SyntaxError
		if errors.As(err, &syntax) {
			offset, says = syntax.Pos.Offset, syntax.Msg
		}
		k.inFile(file, src, at(offset), "skeleton-syntax", fmt.Sprintf("rendering this for the step %q fails: %s", k.step.id, says),
			"{% raw %} around what is not meant for the template")
		k.all = true
		return
	}
	if !parsed.HasTags() {
		return
	}
	k.guards(parsed)
	k.unknown(file, src, parsed, at)
	eaten := 0
	var first expr.Reference
	for _, ref := range parsed.References() {
		switch {
		case ref.Path[0] == k.root && len(ref.Path) == 1:
			k.all = true
		case ref.Path[0] == k.root:
			name := ref.Path[1]
			if !k.reads[name] {
				k.missing = append(k.missing, missingValue{name, file, at(ref.Pos.Offset), src})
			}
			k.reads[name] = true
		case ofWorkflows(file, ref.Path[0]):
			if eaten++; eaten == 1 {
				first = ref
			}
		default:
			try := ""
			if ref.Path[0] == "parameters" && len(ref.Path) > 1 {
				try = k.root + "." + ref.Path[1]
			}
			k.inFile(file, src, at(ref.Pos.Offset), "skeleton-name",
				fmt.Sprintf("a file sees only %s: %q is undefined here", k.root, ref.Path[0]), try)
		}
	}
	for _, call := range parsed.Calls() {
		switch {
		case slices.Contains(expr.Functions(), call.Name):
		case slices.Contains(workflowFunctions, call.Name) || strings.Contains(file, ".github/"):
			if eaten++; eaten == 1 {
				first = expr.Reference{Path: []string{call.Name + "()"}, Exact: true, Pos: call.Pos}
			}
		default:
			k.inFile(file, src, at(call.Pos.Offset), "skeleton-name", fmt.Sprintf("there is no function %q in a file", call.Name), "")
		}
	}
	if eaten > 0 {
		more := ""
		if eaten > 1 {
			more = fmt.Sprintf(", as are %d more in this file", eaten-1)
		}
		k.inFile(file, src, at(first.Pos.Offset), "eaten-expression",
			fmt.Sprintf("%s is meant for GitHub and is evaluated here%s", first, more), "{% raw %} … {% endraw %} around it")
	}
}

// unknown warns of filters and tests that fail the step.
func (k *skeleton) unknown(file string, src []byte, parsed *expr.Template, at func(int) mark) {
	fails := func(pos expr.Pos, what, name string, known []string) {
		k.inFile(file, src, at(pos.Offset), "skeleton-syntax",
			fmt.Sprintf("rendering this for the step %q fails: there is no %s %q", k.step.id, what, name), k.nearest(name, known))
	}
	expr.Walk(parsed.Root(), func(n expr.Node) bool {
		switch n := n.(type) {
		case *expr.FilterExpr:
			if !slices.Contains(filterNames, n.Name) && !(k.options.CookiecutterCompat && n.Name == "jsonify") {
				fails(n.NamePos, "filter", n.Name, filterNames)
			}
		case *expr.TestExpr:
			if name, pos, ok := testName(n); ok && !slices.Contains(testNames, name) {
				fails(pos, "test", name, testNames)
			}
		}
		return true
	})
}

var (
	workflowContexts  = []string{"github", "secrets", "matrix", "env", "runner", "needs", "inputs", "vars", "job", "jobs", "strategy"}
	workflowFunctions = []string{"hashFiles", "toJSON", "fromJSON", "format", "contains", "startsWith", "endsWith", "success", "cancelled", "always", "failure"}
)

// ofWorkflows says whether a name that a file reads is probably one of GitHub's workflow expressions.
func ofWorkflows(file, name string) bool {
	return slices.Contains(workflowContexts, name) || strings.Contains(file, ".github/workflows/")
}

func (k *skeleton) inFile(file string, src []byte, at mark, rule, says, try string) {
	shown := path.Join(k.shown, file)
	p := k.problem(at, "", rule, says, try)
	p.File, p.Severity = shown, fault.Warning
	if at.line > 0 {
		k.sources[shown] = strings.Split(string(src), "\n")
	} else {
		p.Path = file
	}
	k.add(p)
}

// guards notes values that a file tests for or has a default for.
func (k *skeleton) guards(parsed *expr.Template) {
	within := func(n expr.Node) {
		expr.Walk(n, func(n expr.Node) bool {
			if name, ok := k.value(n); ok {
				k.optional[name] = true
			}
			return true
		})
	}
	expr.Walk(parsed.Root(), func(n expr.Node) bool {
		switch n := n.(type) {
		case *expr.FilterExpr:
			if n.Name == "default" || n.Name == "d" {
				within(n.Input)
			}
		case *expr.TestExpr:
			within(n.Left)
		case *expr.IfStmt:
			within(n.Cond)
		case *expr.IfExpr:
			within(n.Cond)
		case *expr.LogicExpr:
			within(n.Left)
		case *expr.UnaryExpr:
			within(n.Operand)
		}
		return true
	})
}

// value gives the name that values.name reads.
func (k *skeleton) value(n expr.Node) (string, bool) {
	lookup, ok := n.(*expr.LookupExpr)
	if !ok {
		return "", false
	}
	target, isName := lookup.Target.(*expr.NameExpr)
	key, isLiteral := lookup.Key.(*expr.LiteralExpr)
	if !isName || !isLiteral || target.Name != k.root {
		return "", false
	}
	name, ok := key.Value.(string)
	return name, ok
}

// values compares what the step passes with what the files read.
func (k *skeleton) values() {
	given := k.input.get("values")
	if given != nil && given.kind != mapNode {
		return // an expression says
	}
	var names []string
	if given != nil {
		for _, e := range given.entries {
			names = append(names, e.key)
		}
	}
	for _, m := range k.missing {
		if slices.Contains(names, m.name) || k.optional[m.name] {
			continue
		}
		k.inFile(m.file, m.source, m.at, "missing-value",
			fmt.Sprintf("the step %q passes no value %q: nothing stands here", k.step.id, m.name), k.nearest(m.name, names))
	}
	if k.all || given == nil {
		return
	}
	for _, e := range given.entries {
		if !k.reads[e.key] {
			k.warn(e.mark, k.step.path+".input.values."+e.key, "unused-value", fmt.Sprintf("no file reads the value %q", e.key), "")
		}
	}
}

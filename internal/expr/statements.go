package expr

import (
	"fmt"
	"slices"
	"strings"
)

// Options choose the dialect. The zero value is that of step values and of files.
type Options struct {
	// CookiecutterCompat makes the variable tags {{ }}, and adds True, False, None, the filter jsonify and some
	// Python methods of lists and records.
	CookiecutterCompat bool
	// TrimBlocks drops the line break after a block tag, LstripBlocks the blanks before one that starts its line.
	TrimBlocks, LstripBlocks bool
}

// Template is a parsed source. It is immutable.
type Template struct {
	src  string
	opts Options
	root *Body
	plan *plan
}

// Parse reads a source. The error is a *SyntaxError.
func Parse(src string, opts Options) (t *Template, err error) {
	defer func() {
		if r := recover(); r != nil {
			se, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			t, err = nil, se
		}
	}()
	s := newSource(src)
	if n := unitLen(src); n > maxSourceUnits {
		return nil, &SyntaxError{Pos: s.pos(0), Limit: limitSource, Msg: fmt.Sprintf("parsing exceeded the %s limit of %d (observed %d)", limitSource, maxSourceUnits, n)}
	}
	p := &statements{builder: &builder{src: s}, tags: scan(s, opts)}
	root, stop := p.body(nil)
	if stop != nil {
		p.fail(stop, "Unexpected "+quoteSource(tagName(stop.value))+" tag")
	}
	p.uniqueBlocks(root)
	return &Template{src: src, opts: opts, root: root, plan: newPlan(root)}, nil
}

// Root is the tree.
func (t *Template) Root() *Body { return t.root }

// Source is the text that was parsed.
func (t *Template) Source() string { return t.src }

// IsSoleExpression says that the template is exactly one interpolation, comments aside, so that its value keeps its type.
func (t *Template) IsSoleExpression() bool {
	if len(t.root.Statements) != 1 {
		return false
	}
	_, ok := t.root.Statements[0].(*OutputStmt)
	return ok
}

// HasTags is false for plain text. Comments and raw blocks count as tags.
func (t *Template) HasTags() bool {
	if len(t.root.Statements) == 1 {
		text, ok := t.root.Statements[0].(*TextStmt)
		return !ok || text.Text != t.src
	}
	return len(t.root.Statements) > 0 || t.src != ""
}

type statements struct {
	*builder
	tags  []tag
	index int
	depth int
	// branches counts the elif branches that are open.
	branches int
}

func (p *statements) fail(at *tag, msg string) { p.src.fail(at.start, msg) }

var emptyTags = []string{"else", "endif", "endfor", "endmacro", "endcall", "endfilter", "endset", "default", "endswitch"}

func (p *statements) body(stops []string) (*Body, *tag) {
	if p.depth++; p.depth > maxNesting {
		panic(&SyntaxError{Pos: p.src.pos(p.tags[p.index-1].start), Limit: limitNesting, Msg: fmt.Sprintf("parsing exceeded the %s limit of %d", limitNesting, maxNesting)})
	}
	defer func() { p.depth-- }()
	start := 0
	if p.index < len(p.tags) {
		start = p.tags[p.index].start
	}
	pos := p.src.pos(start)
	var out []Node
	for p.index < len(p.tags) {
		t := &p.tags[p.index]
		p.index++
		switch t.kind {
		case tagText:
			out = append(out, &TextStmt{p.grow(p.src.pos(t.start)), t.value})
			continue
		case tagVariable:
			pos := p.src.pos(t.start)
			e := p.expression(t.value, t.inside)
			out = append(out, &OutputStmt{p.grow(pos, e), e})
			continue
		}
		name := tagName(t.value)
		if slices.Contains(stops, name) {
			if slices.Contains(emptyTags, name) && remainder(t) != "" {
				p.fail(t, name+" tag does not accept trailing content")
			}
			return &Body{p.grow(pos, out...), out}, t
		}
		if slices.Contains(emptyTags, name) || name == "elif" || name == "elseif" || name == "case" {
			p.fail(t, mismatch(name, stops))
		}
		out = append(out, p.statement(name, t))
	}
	return &Body{p.grow(pos, out...), out}, nil
}

// closed reads a body up to one of the stops; the last stop names what is missing.
func (p *statements) closed(open *tag, stops ...string) (*Body, *tag) {
	b, stop := p.body(stops)
	if stop == nil {
		p.fail(open, "Missing "+stops[len(stops)-1]+" tag")
	}
	return b, stop
}

func mismatch(name string, stops []string) string {
	msg := "Unexpected " + quoteSource(name) + " tag"
	if len(stops) == 0 {
		return msg + " without a matching opening tag"
	}
	quoted := make([]string, len(stops))
	for i, s := range stops {
		quoted[i] = quoteSource(s)
	}
	last := quoted[len(quoted)-1]
	if len(quoted) == 1 {
		return msg + "; expected " + last
	}
	return msg + "; expected " + strings.Join(quoted[:len(quoted)-1], ", ") + ", or " + last
}

func remainder(t *tag) string { return trimCode(t.value[len(tagName(t.value)):]) }

// rest is the remainder of a tag with its place.
func (p *statements) rest(t *tag) (string, int) {
	after := t.value[len(tagName(t.value)):]
	return trimCode(after), t.inside + len(t.value) - len(trimCodeStart(after))
}

var statementTags = []string{"if", "for", "set", "macro", "call", "filter", "block", "switch", "include", "import", "from", "extends"}

func (p *statements) statement(name string, t *tag) Node {
	pos := p.src.pos(t.start)
	code, at := p.rest(t)
	switch name {
	case "if":
		return p.ifStatement(t, pos, code, at)
	case "for":
		return p.forStatement(t, pos, code, at)
	case "set":
		return p.setStatement(t, pos, code, at)
	case "macro":
		return p.macroStatement(t, pos, code, at)
	case "call":
		return p.callStatement(t, pos, code, at)
	case "filter":
		capture := p.capture(t, pos, "filter", "endfilter")
		filter := p.filterInvocation(code, at, capture)
		return &OutputStmt{p.grow(pos, filter), filter}
	case "block":
		return p.blockStatement(t, pos, code, at)
	case "switch":
		return p.switchStatement(t, pos, code, at)
	case "include", "import", "from", "extends":
		p.fail(t, "Unsupported template-loading tag "+quoteSource(name))
	case "":
		p.fail(t, "Template block tag cannot be empty")
	}
	p.fail(t, "Unknown template tag "+quoteSource(name)+didYouMean(name, statementTags))
	return nil
}

func (p *statements) ifStatement(t *tag, pos Pos, code string, at int) Node {
	cond := p.expression(code, at)
	then, stop := p.closed(t, "elif", "elseif", "else", "endif")
	var otherwise Node
	switch tagName(stop.value) {
	case "elif", "elseif":
		if p.branches++; p.branches > maxTreeHeight {
			panic(&SyntaxError{Pos: pos, Limit: limitNesting, Msg: fmt.Sprintf("parsing exceeded the %s limit of %d", limitNesting, maxTreeHeight)})
		}
		code, at := p.rest(stop)
		otherwise = p.ifStatement(stop, p.src.pos(stop.start), code, at)
		p.branches--
	case "else":
		otherwise, _ = p.closed(t, "endif")
	}
	return &IfStmt{p.grow(pos, cond, then, otherwise), cond, then, otherwise}
}

func (p *statements) forStatement(t *tag, pos Pos, code string, at int) Node {
	in := p.topLevelIn(code, at)
	if in < 0 {
		p.fail(t, "For tag requires an in expression")
	}
	targets := p.boundNames(t, trimCode(code[:in]), at)
	if len(targets) == 1 && targets[0].Name == "loop" {
		p.fail(t, "A single loop target cannot be named loop")
	}
	after := code[in+len("in"):]
	iterable := p.expression(trimCode(after), at+len(code)-len(trimCodeStart(after)))
	body, stop := p.closed(t, "else", "endfor")
	var otherwise *Body
	children := []Node{iterable, body}
	if tagName(stop.value) == "else" {
		otherwise, _ = p.closed(t, "endfor")
		children = append(children, otherwise)
	}
	return &ForStmt{p.grow(pos, children...), targets, iterable, body, otherwise}
}

// boundNames reads the names that a tag binds; that there are none is an error at the end of the tag.
func (p *statements) boundNames(t *tag, code string, at int) []*NameExpr {
	if code == "" {
		at = t.inside + len(t.value)
	}
	return p.targets(code, at)
}

// scanTop calls fn with every character that is outside strings, names, regular expressions and brackets, until it
// says true; word gets the names that are outside brackets.
func (p *statements) scanTop(code string, at int, char func(int) bool, word func(from, to int) bool) int {
	depth := 0
	for i := 0; i < len(code); {
		end, err := skipCode(code, i)
		if err != nil {
			p.src.fail(at+err.offset, err.msg)
		}
		if end >= 0 {
			if depth == 0 && word != nil && word(i, end) {
				return i
			}
			i = end
			continue
		}
		switch c := code[i]; {
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0 && char != nil && char(i):
			return i
		}
		i++
	}
	return -1
}

// topLevelIn finds the word in that stands alone.
func (p *statements) topLevelIn(code string, at int) int {
	return p.scanTop(code, at, nil, func(from, to int) bool {
		return code[from:to] == "in" && (from == 0 || spaceBefore(code[:from])) && (to == len(code) || codeSpace(code[to:]) > 0)
	})
}

func spaceBefore(s string) bool {
	return codeSpace(s[len(s)-1:]) > 0 || strings.HasSuffix(s, "\u00a0")
}

func (p *statements) setStatement(t *tag, pos Pos, code string, at int) Node {
	assign := p.scanTop(code, at, func(i int) bool { return code[i] == '=' }, nil)
	if assign >= 0 {
		targets := p.boundNames(t, code[:assign], at)
		value := p.expression(code[assign+1:], at+assign+1)
		return &SetStmt{p.grow(pos, value), targets, value}
	}
	targets := p.boundNames(t, code, at)
	capture := p.capture(t, pos, "set", "endset")
	return &SetStmt{p.grow(pos, capture), targets, capture}
}

func (p *statements) capture(t *tag, pos Pos, kind, end string) *CaptureExpr {
	body, _ := p.closed(t, end)
	Walk(body, func(n Node) bool {
		if _, ok := n.(*MacroStmt); ok {
			p.fail(t, "Macro declarations are not supported inside "+kind+" captures")
		}
		return true
	})
	return &CaptureExpr{p.grow(pos, body), body}
}

func (p *statements) macroStatement(t *tag, pos Pos, code string, at int) Node {
	end := nameEnd(code, 0, false)
	signature := ""
	if end > 0 {
		signature = trimCodeStart(code[end:])
	}
	if !strings.HasPrefix(signature, "(") || !strings.HasSuffix(signature, ")") || len(signature) < 2 {
		p.fail(t, "Invalid macro signature")
	}
	name := code[:end]
	if isLiteralName(name) {
		p.fail(t, "Macro name must be an identifier")
	}
	if reserved(name) {
		p.fail(t, "Template name "+quoteSource(name)+" is reserved")
	}
	nameNode := &NameExpr{p.grow(p.src.pos(at)), name}
	declared := signature[1 : len(signature)-1]
	params := p.signature(declared, t.inside+strings.LastIndex(t.value, declared))
	body, _ := p.closed(t, "endmacro")
	return &MacroStmt{p.grow(pos, append(defaultValues(params), body)...), nameNode, params, body}
}

func (p *statements) callStatement(t *tag, pos Pos, code string, at int) Node {
	var callerCode string
	if strings.HasPrefix(code, "(") {
		end := p.matching(code, at)
		if end < 0 {
			p.fail(t, "Invalid call-block arguments")
		}
		callerCode = code[1:end]
		after := trimCodeStart(code[end+1:])
		at += len(code) - len(after)
		code = after
	}
	e := p.expression(code, at)
	call, ok := e.(*CallExpr)
	if !ok {
		p.fail(t, "Call block requires a function call")
	}
	if !staticTarget(call.Func) {
		p.fail(t, "Call block target must be a static macro reference")
	}
	body, _ := p.closed(t, "endcall")
	params := p.signature(callerCode, t.inside+strings.LastIndex(t.value, callerCode))
	caller := &CallerExpr{p.grow(pos, append(defaultValues(params), body)...), params, body}
	return &CallStmt{p.grow(pos, call, caller), call, caller}
}

func staticTarget(n Node) bool {
	switch n := n.(type) {
	case *NameExpr:
		return true
	case *LookupExpr:
		_, ok := n.Key.(*LiteralExpr)
		return ok && staticTarget(n.Target)
	}
	return false
}

// matching finds what closes the bracket that code starts with.
func (p *statements) matching(code string, at int) int {
	stack := []byte{code[0]}
	closers := map[byte]byte{'(': ')', '[': ']', '{': '}'}
	for i := 1; i < len(code); {
		end, err := skipCode(code, i)
		if err != nil {
			p.src.fail(at+err.offset, err.msg)
		}
		if end >= 0 {
			i = end
			continue
		}
		switch c := code[i]; {
		case closers[c] != 0:
			stack = append(stack, c)
		case c == closers[stack[len(stack)-1]]:
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

func (p *statements) blockStatement(t *tag, pos Pos, code string, at int) Node {
	name, ok := p.expression(code, at).(*NameExpr)
	if !ok {
		p.fail(t, "Block name must be an identifier")
	}
	body, stop := p.closed(t, "endblock")
	if end := remainder(stop); end != "" && end != name.Name {
		p.fail(stop, "Endblock name must match its opening block")
	}
	return &BlockStmt{p.grow(pos, body), name.Name, body}
}

func (p *statements) uniqueBlocks(root *Body) {
	seen := map[string]Pos{}
	Walk(root, func(n Node) bool {
		if b, ok := n.(*BlockStmt); ok {
			if first, dup := seen[b.Name]; dup {
				panic(&SyntaxError{Pos: b.pos, Msg: "Block " + quoteSource(b.Name) + " is declared more than once; the first declaration is at " + first.String()})
			}
			seen[b.Name] = b.pos
		}
		return true
	})
}

func (p *statements) switchStatement(t *tag, pos Pos, code string, at int) Node {
	s := &SwitchStmt{Value: p.expression(code, at)}
	body, stop := p.body([]string{"case", "default", "endswitch"})
	if len(body.Statements) > 0 {
		p.fail(t, "Switch content must begin with case or default")
	}
	if stop == nil {
		p.fail(t, "Missing endswitch tag")
	}
	children := []Node{s.Value}
	for tagName(stop.value) == "case" {
		open := stop
		casePos := p.src.pos(open.start)
		caseCode, caseAt := p.rest(open)
		value := p.expression(caseCode, caseAt)
		body, stop = p.closed(t, "case", "default", "endswitch")
		c := &CaseStmt{p.grow(casePos, value, body), value, body}
		s.Cases = append(s.Cases, c)
		children = append(children, c)
	}
	if tagName(stop.value) == "default" {
		s.Default, _ = p.closed(t, "endswitch")
		children = append(children, s.Default)
	}
	if len(s.Cases) == 0 && s.Default == nil {
		p.fail(t, "Switch requires at least one case or default")
	}
	s.node = p.grow(pos, children...)
	return s
}

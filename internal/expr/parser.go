package expr

import (
	"fmt"
	"slices"
	"strings"
)

// reserved are the names that lead to JavaScript's prototypes; no template may say them.
func reserved(name string) bool {
	return name == "constructor" || name == "prototype" || name == "__proto__"
}

func isLiteralName(name string) bool {
	return name == "true" || name == "false" || name == "null" || name == "none"
}

// builder counts nodes and measures their height.
type builder struct {
	src   *source
	count int
}

// grow gives the header of a node with the given children.
func (b *builder) grow(pos Pos, children ...Node) node {
	if b.count++; b.count > maxNodes {
		panic(&SyntaxError{Pos: pos, Limit: limitNodes, Msg: fmt.Sprintf("parsing exceeded the %s limit of %d", limitNodes, maxNodes)})
	}
	height := 0
	for _, c := range children {
		if c != nil {
			height = max(height, c.base().height)
		}
	}
	if height++; height > maxTreeHeight {
		panic(&SyntaxError{Pos: pos, Limit: limitNesting, Msg: fmt.Sprintf("parsing exceeded the %s limit of %d", limitNesting, maxTreeHeight)})
	}
	return node{pos: pos, height: height}
}

// parser reads one expression.
type parser struct {
	*builder
	tokens []token
	index  int
	depth  int
}

func (b *builder) expression(code string, offset int) Node {
	p := &parser{builder: b, tokens: tokenize(b.src, code, offset)}
	e := p.inlineIf()
	p.expect(tokenEnd)
	return e
}

func (b *builder) targets(code string, offset int) []*NameExpr {
	p := &parser{builder: b, tokens: tokenize(b.src, code, offset)}
	var out []*NameExpr
	for {
		t := p.expect(tokenName)
		if isLiteralName(t.value) {
			p.fail(t, "Binding targets must be ordinary names")
		}
		out = append(out, p.name(t))
		if !p.accept(",") {
			break
		}
	}
	p.expect(tokenEnd)
	return out
}

func (b *builder) signature(code string, offset int) Params {
	if trimCode(code) == "" {
		return Params{}
	}
	p := &parser{builder: b, tokens: tokenize(b.src, code, offset)}
	p.tokens[len(p.tokens)-1] = token{kind: tokenOperator, value: ")", pos: p.tokens[len(p.tokens)-1].pos}
	end := p.tokens[len(p.tokens)-1].pos
	end.Column++
	end.Offset++
	p.tokens = append(p.tokens, token{pos: end})
	args := p.arguments()
	p.expect(tokenEnd)
	var params Params
	for _, a := range args.Positional {
		name, ok := a.(*NameExpr)
		if !ok {
			panic(&SyntaxError{Pos: a.Pos(), Msg: "Formal parameters must be names"})
		}
		params.Names = append(params.Names, name)
	}
	for _, k := range args.Keyword {
		params.Defaults = append(params.Defaults, Default{Name: &NameExpr{b.grow(k.KeyPos), k.Key}, Value: k.Value})
	}
	return params
}

func (b *builder) filterInvocation(code string, offset int, input Node) Node {
	p := &parser{builder: b, tokens: tokenize(b.src, code, offset)}
	f := p.filter(input)
	p.expect(tokenEnd)
	return f
}

func (p *parser) peek() token { return p.tokens[p.index] }

func (p *parser) next() token {
	t := p.tokens[p.index]
	if p.index < len(p.tokens)-1 {
		p.index++
	}
	return t
}

func (p *parser) ahead() token { return p.tokens[min(p.index+1, len(p.tokens)-1)] }

func (p *parser) accept(op string) bool {
	if t := p.peek(); t.kind != tokenOperator || t.value != op {
		return false
	}
	p.next()
	return true
}

func (p *parser) acceptName(name string) bool {
	if t := p.peek(); t.kind != tokenName || t.value != name {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(kind tokenKind) token {
	t := p.peek()
	if t.kind != kind {
		received := "end of input"
		if text := t.text(); text != "" {
			received = quoteSource(text)
		}
		p.fail(t, "Expected "+tokenNames[kind]+", received "+received)
	}
	return p.next()
}

func (p *parser) expectOperator(op string) {
	if !p.accept(op) {
		p.fail(p.peek(), "Expected "+op)
	}
}

func (p *parser) fail(at token, msg string) { panic(&SyntaxError{Pos: at.pos, Msg: msg}) }

func (p *parser) allow(name string, at Pos) {
	if reserved(name) {
		panic(&SyntaxError{Pos: at, Msg: "Template name " + quoteSource(name) + " is reserved"})
	}
}

func (p *parser) nested(parse func()) {
	if p.depth++; p.depth > maxNesting {
		panic(&SyntaxError{Pos: p.peek().pos, Limit: limitNesting, Msg: fmt.Sprintf("parsing exceeded the %s limit of %d", limitNesting, maxNesting)})
	}
	parse()
	p.depth--
}

func (p *parser) name(t token) *NameExpr {
	p.allow(t.value, t.pos)
	return &NameExpr{p.grow(t.pos), t.value}
}

func (p *parser) literal(pos Pos, value any) *LiteralExpr { return &LiteralExpr{p.grow(pos), value} }

func (p *parser) filtered() Node {
	e := p.unary()
	for p.accept("|") {
		e = p.filter(e)
	}
	return e
}

func (p *parser) filter(input Node) Node {
	first := p.expect(tokenName)
	p.allow(first.value, first.pos)
	name := []string{first.value}
	for p.accept(".") {
		t := p.expect(tokenName)
		p.allow(t.value, t.pos)
		name = append(name, t.value)
	}
	var args Args
	if p.accept("(") {
		p.nested(func() { args = p.arguments() })
	}
	return &FilterExpr{p.grow(first.pos, argNodes([]Node{input}, args)...), strings.Join(name, "."), first.pos, input, args}
}

func (p *parser) unary() Node {
	at := p.peek()
	for _, op := range []string{"-", "+"} {
		if !p.accept(op) {
			continue
		}
		var operand Node
		p.nested(func() { operand = p.unary() })
		if u, ok := operand.(*UnaryExpr); ok && u.Op == op {
			panic(&SyntaxError{Pos: operand.Pos(), Msg: "Repeated unparenthesized unary " + op + " is not supported"})
		}
		return &UnaryExpr{p.grow(at.pos, operand), op, operand}
	}
	return p.postfix()
}

func (p *parser) postfix() Node {
	e := p.primary()
	for {
		switch {
		case p.accept("."):
			t := p.expect(tokenName)
			p.allow(t.value, t.pos)
			e = &LookupExpr{p.grow(t.pos, e), e, p.literal(t.pos, t.value)}
		case p.accept("["):
			var key Node
			p.nested(func() { key = p.subscript() })
			p.expectOperator("]")
			if l, ok := key.(*LiteralExpr); ok {
				if name, ok := l.Value.(string); ok {
					p.allow(name, l.pos)
				}
			}
			e = &LookupExpr{p.grow(key.Pos(), e, key), e, key}
		case p.accept("("):
			var args Args
			p.nested(func() { args = p.arguments() })
			e = &CallExpr{p.grow(e.Pos(), argNodes([]Node{e}, args)...), e, args}
		default:
			return e
		}
	}
}

func (p *parser) subscript() Node {
	at := p.peek()
	stops := func(ops ...string) bool { return slices.Contains(ops, p.peek().value) }
	var start, stop, step Node
	if !stops(":", "]") {
		start = p.inlineIf()
	}
	if !p.accept(":") {
		if start == nil {
			p.fail(p.peek(), "Expected subscript expression")
		}
		return start
	}
	if !stops(":", "]") {
		stop = p.inlineIf()
	}
	if p.accept(":") && !stops("]") {
		step = p.inlineIf()
	}
	if start == nil {
		start = p.literal(at.pos, nil)
	}
	if stop == nil {
		stop = p.literal(at.pos, nil)
	}
	if step == nil {
		step = p.literal(at.pos, 1.0)
	}
	return &SliceExpr{p.grow(at.pos, start, stop, step), start, stop, step}
}

func (p *parser) primary() Node {
	t := p.peek()
	switch t.kind {
	case tokenNumber:
		p.next()
		return p.literal(t.pos, parseDecimal(strings.TrimSuffix(t.value, ".")))
	case tokenString:
		p.next()
		return p.literal(t.pos, t.value)
	case tokenRegex:
		p.next()
		program, err := compileRegex(t.value, t.flags)
		if err != nil {
			p.fail(t, err.Error())
		}
		return &RegexExpr{p.grow(t.pos), t.value, t.flags, program}
	case tokenName:
		p.next()
		switch t.value {
		case "true":
			return p.literal(t.pos, true)
		case "false":
			return p.literal(t.pos, false)
		case "none", "null":
			return p.literal(t.pos, nil)
		}
		return p.name(t)
	}
	switch {
	case p.accept("("):
		items := p.items(")")
		if len(items) == 0 {
			p.fail(t, "Parenthesized expression cannot be empty")
		}
		return &GroupExpr{p.grow(t.pos, items...), items}
	case p.accept("["):
		items := p.items("]")
		return &ArrayExpr{p.grow(t.pos, items...), items}
	case p.accept("{"):
		var pairs []Pair
		p.nested(func() { pairs = p.pairs() })
		return &ObjectExpr{p.grow(t.pos, pairValues(nil, pairs)...), pairs}
	}
	msg := "Unexpected expression token"
	if t.value == "" {
		msg += " at end of input"
	} else {
		msg += " " + quoteSource(t.text())
	}
	p.fail(t, msg)
	return nil
}

func (p *parser) items(end string) []Node {
	var items []Node
	p.nested(func() {
		if p.accept(end) {
			return
		}
		for {
			items = append(items, p.inlineIf())
			if !p.accept(",") {
				break
			}
		}
		p.expectOperator(end)
	})
	return items
}

func (p *parser) pairs() []Pair {
	var pairs []Pair
	if p.accept("}") {
		return pairs
	}
	for {
		t := p.peek()
		if t.kind != tokenString && (t.kind != tokenName || isLiteralName(t.value)) {
			p.fail(t, "Dictionary keys must be strings or names")
		}
		p.next()
		p.allow(t.value, t.pos)
		p.expectOperator(":")
		pairs = append(pairs, Pair{t.value, t.pos, p.inlineIf()})
		if !p.accept(",") {
			break
		}
	}
	p.expectOperator("}")
	return pairs
}

// arguments reads what follows an opening parenthesis.
func (p *parser) arguments() Args {
	var args Args
	if p.accept(")") {
		return args
	}
	for {
		if t := p.peek(); t.kind == tokenName && p.ahead().value == "=" {
			p.next()
			p.allow(t.value, t.pos)
			p.expectOperator("=")
			args.Keyword = append(args.Keyword, Pair{t.value, t.pos, p.inlineIf()})
		} else {
			args.Positional = append(args.Positional, p.inlineIf())
		}
		if !p.accept(",") {
			break
		}
	}
	p.expectOperator(")")
	return args
}

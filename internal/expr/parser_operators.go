package expr

import "slices"

// The operators, loosest first.

func (p *parser) inlineIf() Node {
	then := p.or()
	if !p.acceptName("if") {
		return then
	}
	cond := p.or()
	var otherwise Node
	if p.acceptName("else") {
		p.nested(func() { otherwise = p.or() })
	}
	return &IfExpr{p.grow(then.Pos(), then, cond, otherwise), cond, then, otherwise}
}

func (p *parser) or() Node {
	left := p.and()
	for p.acceptName("or") {
		right := p.and()
		left = &LogicExpr{p.grow(left.Pos(), left, right), true, left, right}
	}
	return left
}

func (p *parser) and() Node {
	left := p.not()
	for p.acceptName("and") {
		right := p.not()
		left = &LogicExpr{p.grow(left.Pos(), left, right), false, left, right}
	}
	return left
}

func (p *parser) not() Node {
	at := p.peek()
	if !p.acceptName("not") {
		return p.membership()
	}
	var operand Node
	p.nested(func() { operand = p.not() })
	return p.negate(operand, at.pos)
}

// negate puts a not where JavaScript would read it: the compiler that the language began as wrote "!" in front of its
// operand's text without parentheses, so it binds to the leftmost operand of arithmetic and comparisons.
func (p *parser) negate(n Node, pos Pos) Node {
	switch n := n.(type) {
	case *BinaryExpr:
		if n.Op != "**" {
			left := p.negate(n.Left, pos)
			return &BinaryExpr{p.grow(pos, left, n.Right), n.Op, left, n.Right}
		}
	case *CompareExpr:
		first := p.negate(n.First, pos)
		return p.compare(pos, first, n.Rest)
	}
	return &UnaryExpr{p.grow(pos, n), "not", n}
}

func (p *parser) membership() Node {
	left := p.test()
	for {
		negate := false
		if p.peek().value == "not" && p.ahead().value == "in" {
			p.next()
			p.next()
			negate = true
		} else if !p.acceptName("in") {
			return left
		}
		right := p.test()
		var n Node = &InExpr{p.grow(left.Pos(), left, right), left, right}
		if negate {
			n = &UnaryExpr{p.grow(left.Pos(), n), "not", n}
		}
		left = n
	}
}

func (p *parser) test() Node {
	left := p.equality()
	if !p.acceptName("is") {
		return left
	}
	negate := p.acceptName("not")
	right := p.equality()
	var n Node = &TestExpr{p.grow(right.Pos(), left, right), left, right}
	if negate {
		n = &UnaryExpr{p.grow(left.Pos(), n), "not", n}
	}
	return n
}

func (p *parser) equality() Node {
	return p.comparison(p.relational, "==", "===", "!=", "!==")
}

func (p *parser) relational() Node { return p.comparison(p.additive, "<", "<=", ">", ">=") }

// comparison looks at the words alone: a string literal "==" in operator position counts, as in the reference.
func (p *parser) comparison(operand func() Node, ops ...string) Node {
	first := operand()
	var rest []Comparison
	for slices.Contains(ops, p.peek().value) {
		op := p.next().value
		rest = append(rest, Comparison{op, operand()})
	}
	if rest == nil {
		return first
	}
	return p.compare(first.Pos(), first, rest)
}

func (p *parser) compare(pos Pos, first Node, rest []Comparison) Node {
	children := []Node{first}
	for _, c := range rest {
		children = append(children, c.Operand)
	}
	return &CompareExpr{p.grow(pos, children...), first, rest}
}

func (p *parser) binary(op string, left, right Node) Node {
	return &BinaryExpr{p.grow(left.Pos(), left, right), op, left, right}
}

func (p *parser) additive() Node {
	left := p.multiplicative()
	for {
		switch {
		case p.accept("+"):
			left = p.binary("+", left, p.multiplicative())
		case p.accept("-"):
			left = p.binary("-", left, p.multiplicative())
		case p.accept("~"):
			left = p.binary("~", left, p.multiplicative())
		default:
			return left
		}
	}
}

// sequence is a run of * / % that JavaScript evaluates from the left, whatever level of the grammar each came from;
// only // closes its left side.
type sequence struct {
	first Node
	rest  []Comparison
}

func (s *sequence) add(op string, right sequence) {
	s.rest = append(append(s.rest, Comparison{op, right.first}), right.rest...)
}

func (p *parser) fold(s sequence) Node {
	left := s.first
	for _, o := range s.rest {
		left = p.binary(o.Op, left, o.Operand)
	}
	return left
}

func (p *parser) multiplicative() Node { return p.fold(p.products()) }

func (p *parser) products() sequence {
	s := p.quotients()
	for p.accept("*") {
		s.add("*", p.quotients())
	}
	return s
}

func (p *parser) quotients() sequence {
	s := p.floors()
	for p.accept("/") {
		s.add("/", p.floors())
	}
	return s
}

func (p *parser) floors() sequence {
	s := p.moduli()
	for p.accept("//") {
		s.add("/", p.moduli())
		quotient := p.fold(s)
		s = sequence{first: &UnaryExpr{p.grow(quotient.Pos(), quotient), "//", quotient}}
	}
	return s
}

func (p *parser) moduli() sequence {
	s := sequence{first: p.power()}
	for p.accept("%") {
		s.add("%", sequence{first: p.power()})
	}
	return s
}

func (p *parser) power() Node {
	left := p.filtered()
	for p.accept("**") {
		left = p.binary("**", left, p.filtered())
	}
	return left
}

package expr

import (
	"maps"
	"slices"
	"strings"
)

// Reference is something a template reads: a path of names that are known without evaluating, for example
// steps, publish, output, remoteUrl. Exact is false when the path goes on with a key that only evaluating gives.
type Reference struct {
	Path  []string
	Exact bool
	Pos   Pos
}

func (r Reference) String() string {
	s := strings.Join(r.Path, ".")
	if !r.Exact {
		s += ".*"
	}
	return s
}

// Call is a call of a function by its plain name.
type Call struct {
	Name string
	Pos  Pos
}

// References are the variables a template reads, in source order, repetitions included. Names that the template binds
// itself (set, for, macro, call) are not among them where the binding holds; a name that is bound only later or in
// another branch counts as read. Functions that are called, such as range, are in Calls.
func (t *Template) References() []Reference {
	c := &collector{bound: map[string]bool{}}
	c.visit(t.root)
	return c.refs
}

// Calls are the functions a template calls by name and does not declare itself, in source order.
func (t *Template) Calls() []Call {
	c := &collector{bound: map[string]bool{}}
	c.visit(t.root)
	return c.calls
}

type collector struct {
	bound map[string]bool
	refs  []Reference
	calls []Call
}

// scoped visits with names that hold inside only.
func (c *collector) scoped(names []*NameExpr, visit func()) {
	outer := c.bound
	c.bound = maps.Clone(outer)
	for _, n := range names {
		c.bound[n.Name] = true
	}
	visit()
	c.bound = outer
}

func (c *collector) visit(n Node) {
	switch n := n.(type) {
	case *NameExpr:
		if !c.bound[n.Name] {
			c.refs = append(c.refs, Reference{[]string{n.Name}, true, n.pos})
		}
	case *LookupExpr:
		c.lookup(n)
	case *CallExpr:
		if name, ok := n.Func.(*NameExpr); ok && !c.bound[name.Name] {
			c.calls = append(c.calls, Call{name.Name, name.pos})
		} else {
			c.visit(n.Func)
		}
		for _, a := range argNodes(nil, n.Args) {
			c.visit(a)
		}
	case *TestExpr:
		c.visit(n.Left)
		if _, args := testInvocation(n.Right); args != nil {
			for _, a := range argNodes(nil, *args) {
				c.visit(a)
			}
		}
	case *ForStmt:
		c.visit(n.Iterable)
		loop := &NameExpr{Name: "loop"}
		c.scoped(append(slices.Clone(n.Targets), loop), func() { c.visit(n.Body) })
		if n.Else != nil {
			c.scoped(nil, func() { c.visit(n.Else) })
		}
	case *SetStmt:
		c.visit(n.Value)
		for _, t := range n.Targets {
			c.bound[t.Name] = true
		}
	case *IfStmt:
		c.branches(n)
	case *SwitchStmt:
		c.visit(n.Value)
		for _, s := range n.Cases {
			c.visit(s.Value)
			c.scoped(nil, func() { c.visit(s.Body) })
		}
		if n.Default != nil {
			c.scoped(nil, func() { c.visit(n.Default) })
		}
	case *MacroStmt:
		c.bound[n.Name.Name] = true
		c.params(n.Params, n.Body)
	case *CallerExpr:
		c.params(n.Params, n.Body)
	default:
		for _, child := range Children(n) {
			c.visit(child)
		}
	}
}

// branches keeps what each branch of an if binds to that branch: afterwards the name may still be the caller's.
func (c *collector) branches(n *IfStmt) {
	c.visit(n.Cond)
	c.scoped(nil, func() { c.visit(n.Then) })
	if n.Else != nil {
		c.scoped(nil, func() { c.visit(n.Else) })
	}
}

func (c *collector) params(p Params, body *Body) {
	names := append(slices.Clone(p.Names), &NameExpr{Name: "caller"})
	for _, d := range p.Defaults {
		c.visit(d.Value)
		names = append(names, d.Name)
	}
	c.scoped(names, func() { c.visit(body) })
}

// lookup follows a chain of known keys from a variable. What computes the unknown keys is read too.
func (c *collector) lookup(n *LookupExpr) {
	var keys []string
	exact := true
	var node Node = n
	var computed []Node
	for {
		l, ok := node.(*LookupExpr)
		if !ok {
			break
		}
		node = l.Target
		key, known := knownKey(l.Key)
		if !known {
			computed = append(computed, l.Key)
			keys, exact = nil, false
			continue
		}
		keys = append(keys, key)
	}
	if name, ok := node.(*NameExpr); ok {
		if !c.bound[name.Name] {
			slices.Reverse(keys)
			c.refs = append(c.refs, Reference{append([]string{name.Name}, keys...), exact, name.pos})
		}
	} else {
		c.visit(node)
	}
	slices.Reverse(computed)
	for _, k := range computed {
		c.visit(k)
	}
}

func knownKey(n Node) (string, bool) {
	l, ok := n.(*LiteralExpr)
	if !ok {
		return "", false
	}
	switch l.Value.(type) {
	case string, float64:
		return (*evaluator)(nil).text(l.Value), true
	}
	return "", false
}

package expr

import "maps"

// plan assigns the names that loops, macros and callers bind to slots, in the order in which the compiler that the
// language began as declared its variables: a name inside such a body means what it meant where it was written.
type plan struct {
	root *framePlan
	// err is set when planning took too much work; it is what evaluating gives.
	err *EvalError
}

// scopePlan says what the nodes of one region mean. The body of a loop over pairs is two regions.
type scopePlan struct {
	slots     map[Node]int
	callables map[Node]*framePlan
	loops     map[*ForStmt]*loopPlan
}

// framePlan is the storage that one invocation needs.
type framePlan struct {
	slots []int
	scope *scopePlan
}

type loopPlan struct {
	length        int
	single        *scopePlan
	array, record *scopePlan
}

func newScopePlan() *scopePlan {
	return &scopePlan{slots: map[Node]int{}, callables: map[Node]*framePlan{}, loops: map[*ForStmt]*loopPlan{}}
}

func (p *scopePlan) slot(n Node) (int, bool) {
	s, ok := p.slots[n]
	return s, ok
}

type planner struct {
	next int
	// again is how many times over the node at hand has been planned before; that is what costs.
	again int
	work  int
}

type region struct {
	frame    *framePlan
	scope    *scopePlan
	bindings map[string]int
}

func newPlan(root *Body) (out *plan) {
	p := &planner{}
	out = &plan{root: &framePlan{scope: newScopePlan()}}
	needed := false
	Walk(root, func(n Node) bool {
		switch n.(type) {
		case *ForStmt, *MacroStmt, *CallStmt, *BlockStmt:
			needed = true
		}
		return !needed
	})
	if !needed {
		return out
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*EvalError)
			if !ok {
				panic(r)
			}
			out.err = e
		}
	}()
	p.visit(root, &region{out.root, out.root.scope, map[string]int{}})
	return out
}

func (p *planner) anonymous(r *region) int {
	slot := p.next
	p.next++
	r.frame.slots = append(r.frame.slots, slot)
	return slot
}

func (p *planner) declare(r *region, name string, n Node) int {
	slot := p.anonymous(r)
	r.bindings[name] = slot
	r.scope.slots[n] = slot
	return slot
}

func (r *region) inner() *region {
	return &region{r.frame, newScopePlan(), maps.Clone(r.bindings)}
}

func (p *planner) use(r *region, n *NameExpr) {
	if slot, ok := r.bindings[n.Name]; ok {
		r.scope.slots[n] = slot
	}
}

func (p *planner) callable(params Params, body *Body, inherited map[string]int) *framePlan {
	bindings := map[string]int{}
	maps.Copy(bindings, inherited)
	f := &framePlan{scope: newScopePlan()}
	r := &region{f, f.scope, bindings}
	seen := map[string]int{}
	for _, name := range params.Names {
		if slot, ok := seen[name.Name]; ok {
			r.scope.slots[name] = slot
		} else {
			seen[name.Name] = p.declare(r, name.Name, name)
		}
	}
	for _, d := range params.Defaults {
		p.visit(d.Value, r)
	}
	p.visit(body, r)
	return f
}

func (p *planner) declareTargets(targets []*NameExpr, r *region) {
	for _, t := range targets {
		p.declare(r, t.Name, t)
	}
}

func (p *planner) visit(n Node, r *region) {
	if p.again > 0 {
		if p.work++; p.work > maxWork {
			panic(&EvalError{Pos: n.Pos(), Limit: limitWork, Msg: "planning exceeded the work unit limit"})
		}
	}
	switch n := n.(type) {
	case *NameExpr:
		p.use(r, n)
	case *ForStmt:
		p.loop(n, r)
	case *MacroStmt:
		slot := p.declare(r, n.Name.Name, n)
		r.scope.slots[n.Name] = slot
		r.scope.callables[n] = p.callable(n.Params, n.Body, nil)
	case *CallStmt:
		p.visit(n.Call, r)
		r.scope.callables[n.Caller] = p.callable(n.Caller.Params, n.Caller.Body, r.bindings)
	case *BlockStmt:
		r.scope.callables[n] = p.callable(Params{}, n.Body, nil)
	case *SetStmt:
		p.visit(n.Value, r)
		for _, t := range n.Targets {
			p.use(r, t)
		}
	case *IfExpr:
		for _, c := range present(n.Cond, n.Then, n.Else) {
			p.visit(c, r)
		}
	default:
		for _, c := range Children(n) {
			p.visit(c, r)
		}
	}
}

func (p *planner) loop(n *ForStmt, r *region) {
	p.visit(n.Iterable, r)
	l := &loopPlan{length: p.anonymous(r)}
	last := r.inner()
	if len(n.Targets) == 1 {
		p.declareTargets(n.Targets, last)
		p.visit(n.Body, last)
		l.single = last.scope
	} else {
		p.declareTargets(n.Targets, last)
		p.visit(n.Body, last)
		l.array = last.scope
		last = last.inner()
		p.declareTargets(n.Targets[:2], last)
		p.again++
		p.visit(n.Body, last)
		p.again--
		l.record = last.scope
	}
	if n.Else != nil {
		p.visit(n.Else, last)
	}
	r.scope.loops[n] = l
}

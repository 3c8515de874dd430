package expr

import (
	"context"
	"math"
	"strings"
)

// Func is a global function of the caller. Arguments and result are values; Undefined stands for an absent one.
type Func func(args []any) (any, error)

// Filter is a filter of the caller.
type Filter func(input any, args []any) (any, error)

// Env is what a template can see.
type Env struct {
	// Vars are the variables.
	Vars *Object
	// Funcs are global functions, such as always and failure; a variable of the same name hides one.
	Funcs map[string]Func
	// Filters are added to the built-in ones and to Backstage's, and replace those of the same name.
	Filters map[string]Filter
	// Hosts adds to the integrations that parseRepoUrl knows: host, with port if any, to type (github, gitlab,
	// bitbucketCloud, bitbucketServer, azure, gitea, gerrit).
	Hosts map[string]string
	// LegacyTyping types values as Backstage up to 4.0.2 did: the output of a template with a single root node, a
	// block tag too, is read as JSON where it is JSON, and empty output is undefined.
	LegacyTyping bool
	// Strict makes a value that does not evaluate a *ValueError of RenderTree, instead of its own text.
	Strict bool

	// workUnits replaces, for tests, the number of work units that an evaluation may take.
	workUnits int
}

// evaluator is the state of one evaluation.
type evaluator struct {
	ctx      context.Context
	env      *Env
	template *Template

	// most is the number of work units that may be spent.
	most                                             int
	spent, nextCheck, outputUnits, calls, regexSteps int

	at     Pos
	doing  string
	native *OutputStmt
	value  any
	// encode collects, for the legacy typing rule, the output with its interpolations as JSON.
	encode *strings.Builder
	top    *strings.Builder

	globals map[string]*callable
	// wrapped remembers the arrays made of what objects of the caller hold, so that each has one identity.
	wrapped map[heldArray]*array
}

type heldArray struct {
	object *Object
	key    string
}

// Evaluate gives the value of a sole interpolation with its type, and the text of any other template. The error is an
// *EvalError.
func (t *Template) Evaluate(ctx context.Context, env *Env) (any, error) {
	var out any
	err := t.run(ctx, env, func(ev *evaluator) {
		switch {
		case env.LegacyTyping:
			out = ev.legacyValue()
		case t.IsSoleExpression():
			ev.native = t.root.Statements[0].(*OutputStmt)
			ev.render()
			ev.output(unitLen(renderText(ev, ev.value)))
			out = ev.export(ev.value, 0)
		default:
			out = wellFormed(ev.render())
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Render gives the text of a template, as for files. The error is an *EvalError.
func (t *Template) Render(ctx context.Context, env *Env) (string, error) {
	var out string
	err := t.run(ctx, env, func(ev *evaluator) { out = wellFormed(ev.render()) })
	if err != nil {
		return "", err
	}
	return out, nil
}

func (t *Template) run(ctx context.Context, env *Env, fn func(*evaluator)) (err error) {
	if t.plan.err != nil {
		return t.plan.err
	}
	ev := &evaluator{ctx: ctx, env: env, template: t, at: t.root.pos, globals: map[string]*callable{}, wrapped: map[heldArray]*array{}, most: maxWork}
	if env.workUnits > 0 {
		ev.most = env.workUnits
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			msg := f.msg
			if f.limit == "" {
				msg = ev.doing + msg
			}
			err = &EvalError{Pos: ev.at, Msg: oneLine(msg), Limit: f.limit, Cause: f.cause}
		}
	}()
	ev.workUnits(0)
	fn(ev)
	return nil
}

func (ev *evaluator) render() string {
	vars := newScope(nil, false)
	vars.vars = ev.env.Vars
	exports := newScope(vars, true)
	scope := newScope(exports, true)
	root := ev.template.plan.root
	var out strings.Builder
	ev.top = &out
	e := &frameEnv{scope, newFrame(root, nil), root.scope, exports, true, true}
	ev.statement(ev.template.root, e, &out, 1)
	return healText(out.String())
}

// frameEnv is where names mean something: the dynamic scope, and the slots of the region with their storage.
type frameEnv struct {
	scope *scope
	frame *frame
	plan  *scopePlan
	// invocation is the scope that macros declared here are called in.
	invocation         *scope
	exportsMacros      bool
	exportsAssignments bool
}

func (e *frameEnv) in(s *scope) *frameEnv {
	c := *e
	c.scope = s
	return &c
}

// bind stores a value under a name and in its slot.
func (e *frameEnv) bind(n *NameExpr, v any) {
	e.scope.set(n.Name, v)
	e.bindSlot(n, v)
}

func (e *frameEnv) bindSlot(n *NameExpr, v any) {
	if slot, ok := e.plan.slot(n); ok {
		e.frame.set(slot, v)
	}
}

func (ev *evaluator) eval(n Node, e *frameEnv, depth int) any {
	before := ev.at
	ev.at = n.Pos()
	v := ev.evalNode(n, e, depth)
	ev.at = before
	return v
}

func (ev *evaluator) evalNode(n Node, e *frameEnv, depth int) any {
	ev.charge(depth)
	switch n := n.(type) {
	case *LiteralExpr:
		return n.Value
	case *RegexExpr:
		return &regex{literal: n}
	case *NameExpr:
		return ev.lookupName(n, e)
	case *ArrayExpr:
		items := make([]any, len(n.Items))
		for i, item := range n.Items {
			items[i] = ev.eval(item, e, depth+1)
		}
		return ev.newArray(items)
	case *GroupExpr:
		var last any
		for i, item := range n.Items {
			if last = ev.eval(item, e, depth+1); i < len(n.Items)-1 {
				refuseCallable(last)
			}
		}
		return last
	case *ObjectExpr:
		o := &Object{internal: true}
		for _, p := range n.Pairs {
			o.Set(p.Key, ev.eval(p.Value, e, depth+1))
		}
		return ev.boundObject(o)
	case *LookupExpr:
		return ev.lookup(n, e, depth)
	case *IfExpr:
		if Truthy(ev.eval(n.Cond, e, depth+1)) {
			return ev.eval(n.Then, e, depth+1)
		}
		if n.Else != nil {
			return ev.eval(n.Else, e, depth+1)
		}
		return ""
	case *LogicExpr:
		left := ev.eval(n.Left, e, depth+1)
		if Truthy(left) == n.Or {
			return left
		}
		return ev.eval(n.Right, e, depth+1)
	case *UnaryExpr:
		return ev.unary(n, e, depth)
	case *BinaryExpr:
		left := ev.eval(n.Left, e, depth+2)
		return ev.binary(n.Op, left, ev.eval(n.Right, e, depth+2))
	case *CompareExpr:
		left := ev.eval(n.First, e, depth+2)
		for _, c := range n.Rest {
			left = ev.compare(c.Op, left, ev.eval(c.Operand, e, depth+2))
		}
		return left
	case *InExpr:
		needle := ev.eval(n.Left, e, depth+1)
		return ev.contains(ev.eval(n.Right, e, depth+1), needle)
	case *TestExpr:
		return ev.test(n, e, depth+1)
	case *FilterExpr:
		return ev.filter(n, e, depth+1)
	case *CallExpr:
		return ev.call(n, e, depth+1)
	case *CaptureExpr:
		return ev.capture(n.Body, e.in(newScope(e.scope, false)), depth+1)
	}
	throw("Unexpected expression node")
	return nil
}

func (ev *evaluator) lookupName(n *NameExpr, e *frameEnv) any {
	if slot, ok := e.plan.slot(n); ok {
		return e.frame.get(slot)
	}
	if v, ok := ev.lookupScope(e.scope, n.Name); ok {
		return v
	}
	if ev.template.opts.CookiecutterCompat {
		switch n.Name {
		case "True":
			return true
		case "False":
			return false
		case "None":
			return nil
		}
	}
	return ev.global(n.Name)
}

func (ev *evaluator) lookupScope(s *scope, name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if b, ok := s.bindings[name]; ok {
			return b, true
		}
		if s.vars.Has(name) {
			return ev.get(s.vars, name), true
		}
	}
	return nil, false
}

func (ev *evaluator) unary(n *UnaryExpr, e *frameEnv, depth int) any {
	v := ev.eval(n.Operand, e, depth+1)
	switch n.Op {
	case "not":
		return !Truthy(v)
	case "-":
		return -ev.number(v)
	case "//":
		return math.Floor(ev.number(v))
	}
	return ev.number(v)
}

func (ev *evaluator) binary(op string, left, right any) any {
	switch op {
	case "~":
		return ev.concat(ev.text(left), ev.text(right))
	case "+":
		return ev.add(left, right)
	}
	a, b := ev.number(left), ev.number(right)
	switch op {
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "%":
		return math.Mod(a, b)
	}
	return power(a, b)
}

func (ev *evaluator) compare(op string, left, right any) bool {
	switch op {
	case "==":
		return ev.looseEqual(left, right)
	case "===":
		return strictEqual(left, right)
	case "!=":
		return !ev.looseEqual(left, right)
	case "!==":
		return !strictEqual(left, right)
	case "<":
		return ev.order(left, right) < 0
	case "<=":
		return ev.order(left, right) <= 0
	case ">":
		return ev.order(left, right) > 0
	}
	return ev.order(left, right) >= 0
}

func (ev *evaluator) contains(container, needle any) bool {
	switch c := container.(type) {
	case string:
		ev.chargeText(len(c))
		return strings.Contains(c, ev.text(needle))
	case *safeText:
		key := ev.text(needle)
		return key == "length" || key == "val"
	case *array:
		for i := range c.items {
			ev.work()
			if c.items[i] != any(hole) && strictEqual(ev.item(c, i), needle) {
				return true
			}
		}
		return false
	case *Object:
		key := ev.text(needle)
		return !reserved(key) && c.Has(key)
	}
	throw("Membership requires an array, record, or string")
	return false
}

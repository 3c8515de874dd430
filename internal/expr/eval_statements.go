package expr

import "strings"

func (ev *evaluator) statement(n Node, e *frameEnv, out *strings.Builder, depth int) {
	before := ev.at
	ev.at = n.Pos()
	ev.runStatement(n, e, out, depth)
	ev.at = before
}

func (ev *evaluator) runStatement(n Node, e *frameEnv, out *strings.Builder, depth int) {
	ev.charge(depth)
	switch n := n.(type) {
	case *Body:
		for _, s := range n.Statements {
			ev.statement(s, e, out, depth+1)
		}
	case *TextStmt:
		ev.append(out, n.Text, n.Text)
	case *OutputStmt:
		ev.outputStatement(n, e, out, depth)
	case *IfStmt:
		if Truthy(ev.eval(n.Cond, e, depth+1)) {
			ev.statement(n.Then, e, out, depth+1)
		} else if n.Else != nil {
			ev.statement(n.Else, e, out, depth+1)
		}
	case *ForStmt:
		ev.loop(n, e, out, depth+1)
	case *SetStmt:
		ev.set(n, e, depth+1)
	case *MacroStmt:
		macro := &callable{kind: callMacro, name: n.Name.Name, params: n.Params, body: n.Body, frame: e.plan.callables[n], scope: e.invocation, invocation: e.invocation}
		if slot, ok := e.plan.slot(n); ok {
			e.frame.set(slot, macro)
		}
		if e.exportsMacros {
			e.invocation.set(n.Name.Name, macro)
		}
	case *CallStmt:
		ev.callBlock(n, e, out, depth+1)
	case *BlockStmt:
		f := e.plan.callables[n]
		inner := &frameEnv{newScope(e.scope, true), newFrame(f, nil), f.scope, e.invocation, true, false}
		ev.statement(n.Body, inner, out, depth+2)
	case *SwitchStmt:
		ev.switchStatement(n, e, out, depth)
	default:
		throw("Unexpected statement node")
	}
}

func (ev *evaluator) append(out *strings.Builder, text, encoded string) {
	ev.output(unitLen(text))
	out.WriteString(text)
	if ev.encode != nil && out == ev.top {
		ev.output(unitLen(encoded))
		ev.encode.WriteString(encoded)
	}
}

func (ev *evaluator) outputStatement(n *OutputStmt, e *frameEnv, out *strings.Builder, depth int) {
	v := ev.eval(n.Expr, e, depth+1)
	if n == ev.native {
		ev.value = v
		return
	}
	text := renderText(ev, v)
	encoded := text
	if ev.encode != nil && out == ev.top {
		encoded, _, _ = stringify(ev, v, "")
	}
	ev.append(out, text, encoded)
}

func (ev *evaluator) set(n *SetStmt, e *frameEnv, depth int) {
	var v any
	if c, ok := n.Value.(*CaptureExpr); ok {
		v = ev.capture(c.Body, e, depth+1)
	} else {
		v = ev.eval(n.Value, e, depth+1)
	}
	for _, t := range n.Targets {
		e.scope.assign(t.Name, v)
		e.bindSlot(t, v)
		if e.exportsAssignments {
			e.invocation.set(t.Name, v)
		}
	}
}

func (ev *evaluator) capture(body *Body, e *frameEnv, depth int) string {
	var b strings.Builder
	ev.statement(body, e, &b, depth+1)
	return healText(b.String())
}

func (ev *evaluator) switchStatement(n *SwitchStmt, e *frameEnv, out *strings.Builder, depth int) {
	value := ev.eval(n.Value, e, depth+1)
	matched := false
	for _, c := range n.Cases {
		if !matched {
			matched = strictEqual(value, ev.eval(c.Value, e, depth+1))
		}
		if matched && len(c.Body.Statements) > 0 {
			ev.statement(c.Body, e, out, depth+1)
			return
		}
	}
	if n.Default != nil {
		ev.statement(n.Default, e, out, depth+1)
	}
}

// iteration is what a loop goes over.
type iteration struct {
	// asArray says that pairs are taken apart as array items and not as key and value.
	asArray bool
	length  any
	// more says whether there is an item i: an array may change while it is gone over.
	more func(i int) bool
	at   func(i int) any
}

func below(n int) func(int) bool { return func(i int) bool { return i < n } }

func (ev *evaluator) iterate(v any, targets int) iteration {
	switch v := v.(type) {
	case *array:
		return iteration{true, float64(len(v.items)), func(i int) bool { return i < len(v.items) }, func(i int) any { return ev.item(v, i) }}
	case *safeText:
		units := ev.textItems(v.text)
		return iteration{true, float64(len(units.items)), below(len(units.items)), func(i int) any { return units.items[i] }}
	case string:
		units := ev.textItems(v)
		it := iteration{false, float64(len(units.items)), below(len(units.items)), func(i int) any { return units.items[i] }}
		if targets > 1 {
			it.at = func(i int) any { return ev.newArray([]any{formatNumber(float64(i)), units.items[i]}) }
		}
		return it
	case *Object:
		if targets > 1 {
			keys := v.Keys()
			return iteration{false, float64(len(keys)), below(len(keys)), func(i int) any {
				return ev.newArray([]any{keys[i], ev.get(v, keys[i])})
			}}
		}
		length := ev.get(v, "length")
		count := 0
		if n := ev.number(length); n > 0 {
			count = maxWork + 1
			if n < maxWork {
				count = int(n)
				if float64(count) < n {
					count++
				}
			}
		}
		return iteration{false, length, below(count), func(i int) any { return ev.get(v, formatNumber(float64(i))) }}
	}
	it := iteration{length: any(Undefined), more: below(0)}
	if targets > 1 {
		it.length = 0.0
	}
	return it
}

func (ev *evaluator) loop(n *ForStmt, e *frameEnv, out *strings.Builder, depth int) {
	value := ev.eval(n.Iterable, e, depth+1)
	it := ev.iterate(value, len(n.Targets))
	scope := newScope(e.scope, false)
	plan := e.plan.loops[n]
	bodyPlan, elsePlan := plan.single, plan.single
	if len(n.Targets) > 1 {
		bodyPlan, elsePlan = plan.record, plan.record
		if it.asArray {
			bodyPlan = plan.array
		}
	}
	body := &frameEnv{scope, e.frame, bodyPlan, e.invocation, false, false}
	length := e.frame.get(plan.length)
	if Truthy(value) {
		length = it.length
		e.frame.set(plan.length, length)
	}
	for i := 0; it.more(i); i++ {
		ev.bindTargets(n.Targets, it.at(i), it.asArray, body)
		count := ev.number(length)
		index := float64(i)
		scope.set("loop", ev.newObject(
			"index", index+1, "index0", index, "revindex", count-index, "revindex0", count-index-1,
			"first", i == 0, "last", index == count-1, "length", length))
		ev.statement(n.Body, body, out, depth+1)
	}
	if n.Else != nil && !Truthy(length) {
		ev.statement(n.Else, &frameEnv{scope, e.frame, elsePlan, e.invocation, false, false}, out, depth+1)
	}
}

func (ev *evaluator) bindTargets(targets []*NameExpr, v any, asArray bool, e *frameEnv) {
	if len(targets) == 1 {
		e.bind(targets[0], v)
		return
	}
	for i, t := range targets {
		if asArray {
			e.bindSlot(t, ev.destructure(v, i))
		} else if i < 2 {
			e.bind(t, ev.destructure(v, i))
		}
	}
}

func (ev *evaluator) destructure(v any, i int) any {
	if isNullish(v) {
		throw("Cannot destructure a nullish loop value")
	}
	if _, safe := v.(*safeText); safe {
		return Undefined
	}
	item, _ := ev.own(v, formatNumber(float64(i)))
	return item
}

package expr

import "math"

// builtinTest is a test with the number of arguments it must have.
type builtinTest struct {
	arity int
	fn    func(ev *evaluator, v, arg any) bool
}

var builtinTests map[string]builtinTest

func init() {
	compare := func(ok func(float64) bool) builtinTest {
		return builtinTest{1, func(ev *evaluator, v, arg any) bool { return ok(ev.order(v, arg)) }}
	}
	same := builtinTest{1, func(_ *evaluator, v, arg any) bool { return strictEqual(v, arg) }}
	plain := func(fn func(ev *evaluator, v any) bool) builtinTest {
		return builtinTest{0, func(ev *evaluator, v, _ any) bool { return fn(ev, v) }}
	}
	greater := compare(func(o float64) bool { return o > 0 })
	less := compare(func(o float64) bool { return o < 0 })
	builtinTests = map[string]builtinTest{
		"callable": plain(func(_ *evaluator, v any) bool { _, ok := v.(*callable); return ok }),
		"defined":  plain(func(_ *evaluator, v any) bool { return v != any(Undefined) }),
		"divisibleby": {1, func(ev *evaluator, v, arg any) bool {
			return math.Mod(ev.number(v), ev.number(arg)) == 0
		}},
		"eq": same, "equalto": same, "sameas": same,
		"ne":          {1, func(_ *evaluator, v, arg any) bool { return !strictEqual(v, arg) }},
		"escaped":     plain(func(_ *evaluator, v any) bool { _, ok := v.(*safeText); return ok }),
		"even":        plain(func(ev *evaluator, v any) bool { return math.Mod(ev.number(v), 2) == 0 }),
		"odd":         plain(func(ev *evaluator, v any) bool { return math.Mod(ev.number(v), 2) == 1 }),
		"falsy":       plain(func(_ *evaluator, v any) bool { return !Truthy(v) }),
		"truthy":      plain(func(_ *evaluator, v any) bool { return Truthy(v) }),
		"ge":          compare(func(o float64) bool { return o >= 0 }),
		"gt":          greater,
		"greaterthan": greater,
		"le":          compare(func(o float64) bool { return o <= 0 }),
		"lt":          less,
		"lessthan":    less,
		"iterable":    plain(isIterable),
		"mapping":     plain(isMapping),
		"lower":       plain(func(ev *evaluator, v any) bool { return isCased(ev, v, lowerText) }),
		"upper":       plain(func(ev *evaluator, v any) bool { return isCased(ev, v, upperText) }),
		"null":        plain(func(_ *evaluator, v any) bool { return v == nil }),
		"number":      plain(func(_ *evaluator, v any) bool { _, ok := v.(float64); return ok }),
		"string":      plain(func(_ *evaluator, v any) bool { _, ok := v.(string); return ok }),
		"undefined":   plain(func(_ *evaluator, v any) bool { return v == any(Undefined) }),
	}
}

func isIterable(_ *evaluator, v any) bool {
	if isNullish(v) {
		throw("iterable test requires a value")
	}
	switch v.(type) {
	case string, *safeText, *array:
		return true
	}
	return false
}

func isMapping(_ *evaluator, v any) bool {
	switch v.(type) {
	case *Object, *safeText, *regex:
		return true
	}
	return false
}

func isCased(ev *evaluator, v any, fold func(string) string) bool {
	if _, safe := v.(*safeText); safe {
		return false
	}
	s := ev.needText(v)
	return fold(s) == s
}

// callableTests may look at functions.
var callableTests = map[string]bool{"callable": true, "eq": true, "equalto": true, "sameas": true, "ne": true}

func (ev *evaluator) applyTest(name string, v any, args []any) bool {
	t := ev.needTest(name)
	checkTestArity(name, t, len(args))
	if !callableTests[name] {
		refuseCallable(v)
		refuseCallable(args...)
	}
	return t.fn(ev, v, at(args, 0))
}

func (ev *evaluator) needTest(name string) builtinTest {
	t, ok := builtinTests[name]
	if !ok {
		throw("Unknown template test " + quoteSource(name) + didYouMean(name, sortedNames(builtinTests)))
	}
	return t
}

func checkTestArity(name string, t builtinTest, n int) {
	if n != t.arity {
		throwf("Template test %s requires %d positional argument%s", name, t.arity, map[bool]string{true: "", false: "s"}[t.arity == 1])
	}
}

// test is left is name, left is name(arg).
func (ev *evaluator) test(n *TestExpr, e *frameEnv, depth int) bool {
	name, args := testInvocation(n.Right)
	if reserved(name) {
		throwf("Template test %s is reserved", name)
	}
	t := ev.needTest(name)
	if args != nil {
		if len(args.Keyword) > 0 {
			throw("Template test " + name + " does not accept keyword arguments")
		}
		checkTestArity(name, t, len(args.Positional))
	} else {
		checkTestArity(name, t, 0)
	}
	v := ev.eval(n.Left, e, depth+1)
	var values []any
	if args != nil {
		values = ev.arguments(*args, e, depth+1).positional
	}
	ev.scratch(append([]any{v}, values...)...)
	ev.at = n.Right.Pos()
	ev.doing = "Test " + quoteSource(name) + " failed for " + kindOf(v) + " input: "
	ok := ev.applyTest(name, v, values)
	ev.doing = ""
	return ok
}

// testInvocation reads the right side of is; a filter there counts as a call whose first argument is its input.
func testInvocation(n Node) (string, *Args) {
	switch n := n.(type) {
	case *CallExpr:
		return testName(n.Func), &n.Args
	case *FilterExpr:
		return n.Name, &Args{append([]Node{n.Input}, n.Args.Positional...), n.Args.Keyword}
	}
	return testName(n), nil
}

func testName(n Node) string {
	switch n := n.(type) {
	case *NameExpr:
		return n.Name
	case *RegexExpr:
		return n.text()
	case *LiteralExpr:
		return (*evaluator)(nil).text(n.Value)
	}
	return "undefined"
}

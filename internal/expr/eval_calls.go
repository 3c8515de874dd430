package expr

import (
	"maps"
	"slices"
	"strings"
)

type callKind int

const (
	callMacro callKind = iota
	callCaller
	callBuiltin
	callFunc
)

// callable is a function within the language; it is never data.
type callable struct {
	kind callKind
	name string

	// Macros and callers.
	params     Params
	body       *Body
	frame      *framePlan
	scope      *scope
	outer      *frame
	invocation *scope

	// Built-in functions and methods; arity bounds count what is written, before anything is evaluated.
	method   *method
	receiver any
	cycler   *cycler
	joiner   *joiner

	fn Func
}

type keyword struct {
	name  string
	value any
}

type arguments struct {
	positional []any
	keyword    []keyword
}

func (a *arguments) find(name string) (any, bool) {
	for _, k := range a.keyword {
		if k.name == name {
			return k.value, true
		}
	}
	return Undefined, false
}

func (a *arguments) put(name string, v any) {
	for i := range a.keyword {
		if a.keyword[i].name == name {
			a.keyword[i].value = v
			return
		}
	}
	a.keyword = append(a.keyword, keyword{name, v})
}

func (a *arguments) take(name string) any {
	v, _ := a.find(name)
	a.keyword = slices.DeleteFunc(slices.Clone(a.keyword), func(k keyword) bool { return k.name == name })
	return v
}

// at is a positional argument, undefined if absent.
func at(values []any, i int) any {
	if i < len(values) {
		return values[i]
	}
	return Undefined
}

func (a *arguments) refuseCallables() {
	refuseCallable(a.positional...)
	for _, k := range a.keyword {
		refuseCallable(k.value)
	}
}

func (ev *evaluator) arguments(a Args, e *frameEnv, depth int) *arguments {
	out := &arguments{}
	for _, p := range a.Positional {
		out.positional = append(out.positional, ev.eval(p, e, depth+1))
	}
	for _, k := range a.Keyword {
		out.put(k.Key, ev.eval(k.Value, e, depth+1))
	}
	return out
}

// positionalOnly checks what is written, before anything is evaluated; a most of -1 means no bound.
func positionalOnly(a Args, what string, least, most int) {
	if len(a.Keyword) > 0 {
		throw(what + " does not accept keyword arguments")
	}
	if n := len(a.Positional); n < least || most >= 0 && n > most {
		switch {
		case least == most:
			throwf("%s requires %d positional arguments", what, least)
		case most < 0:
			throwf("%s requires at least %d positional arguments", what, least)
		}
		throwf("%s requires %d to %d positional arguments", what, least, most)
	}
}

func (ev *evaluator) call(n *CallExpr, e *frameEnv, depth int) any {
	target := ev.eval(n.Func, e, depth+1)
	c, ok := target.(*callable)
	if !ok {
		if path := callPath(n.Func); path != "" {
			throwf("Template value %s resolved to %s and cannot be called", quoteSource(path), kindOf(target))
		}
		throwf("Template expression resolved to %s and cannot be called", kindOf(target))
	}
	switch c.kind {
	case callMacro, callCaller:
		return ev.macro(c, ev.arguments(n.Args, e, depth+1), depth+1)
	case callFunc:
		positionalOnly(n.Args, "Registered global "+c.name, 0, -1)
		args := ev.arguments(n.Args, e, depth+1)
		args.refuseCallables()
		ev.countCall()
		v, err := c.fn(ev.exportAll(args.positional))
		return ev.result("global", c.name, v, err)
	}
	c.checkSyntax(n.Args)
	args := ev.arguments(n.Args, e, depth+1)
	args.refuseCallables()
	return ev.callBuiltin(c, args.positional)
}

func callPath(n Node) string {
	switch n := n.(type) {
	case *NameExpr:
		return n.Name
	case *LookupExpr:
		parent := callPath(n.Target)
		key := ""
		switch k := n.Key.(type) {
		case *LiteralExpr:
			key, _ = k.Value.(string)
		case *NameExpr:
			key = k.Name
		}
		if parent != "" && key != "" {
			return parent + "." + key
		}
	}
	return ""
}

func (ev *evaluator) countCall() {
	if ev.calls++; ev.calls > maxCalls {
		exceeded(limitCalls, maxCalls)
	}
}

func (ev *evaluator) exportAll(values []any) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = ev.export(v, 0)
	}
	return out
}

// result takes what a function of the caller gave.
func (ev *evaluator) result(kind, name string, v any, err error) any {
	if err != nil {
		panic(failure{msg: "Template " + kind + " " + quoteSource(name) + " failed: " + err.Error(), cause: err})
	}
	return ev.enter(v)
}

// macro runs a macro or caller; its text counts as safe.
func (ev *evaluator) macro(c *callable, args *arguments, depth int) any {
	local := newScope(c.scope, true)
	inner := &frameEnv{local, newFrame(c.frame, c.outer), c.frame.scope, c.invocation, c.kind == callMacro, false}
	positional := c.normalize(args)
	declaresCaller := false
	for i, name := range c.params.Names {
		inner.bind(name, at(positional, i))
		declaresCaller = declaresCaller || name.Name == "caller"
	}
	for _, d := range c.params.Defaults {
		v, ok := args.find(d.Name.Name)
		if !ok {
			v = ev.eval(d.Value, inner, depth+1)
		}
		inner.bind(d.Name, v)
		declaresCaller = declaresCaller || d.Name.Name == "caller"
	}
	if v, ok := args.find("caller"); ok && !declaresCaller {
		local.set("caller", v)
	}
	return &safeText{ev.capture(c.body, inner, depth+1)}
}

// normalize fits the arguments to the parameters: surplus positional arguments fill defaulted parameters, missing ones
// come from keywords.
func (c *callable) normalize(args *arguments) []any {
	positional := slices.Clone(args.positional)
	names := c.params.Names
	if len(positional) > len(names) {
		for i, v := range positional[len(names):] {
			if i < len(c.params.Defaults) {
				args.put(c.params.Defaults[i].Name.Name, v)
			}
		}
		return positional[:len(names)]
	}
	for i := len(positional); i < len(names); i++ {
		positional = append(positional, args.take(names[i].Name))
	}
	return positional
}

func (ev *evaluator) callBlock(n *CallStmt, e *frameEnv, out *strings.Builder, depth int) {
	target, ok := ev.eval(n.Call.Func, e, depth+1).(*callable)
	if !ok || target.kind != callMacro {
		throw("Call blocks can target only template macros")
	}
	args := ev.arguments(n.Call.Args, e, depth+1)
	args.put("caller", &callable{kind: callCaller, name: "caller", params: n.Caller.Params, body: n.Caller.Body,
		frame: e.plan.callables[n.Caller], scope: e.scope, outer: e.frame, invocation: e.invocation})
	text := renderText(ev, ev.macro(target, args, depth+1))
	ev.append(out, text, text)
}

// filter applies a filter of the caller, of Backstage, or a built-in one.
func (ev *evaluator) filter(n *FilterExpr, e *frameEnv, depth int) any {
	name := n.Name
	if name == "jsonify" && ev.template.opts.CookiecutterCompat {
		name = "dump"
	}
	host := ev.env.Filters[n.Name]
	if host == nil {
		host = backstageFilter(n.Name, ev.env.Hosts)
	}
	builtin := builtinFilters[name]
	if host == nil && builtin == nil {
		known := slices.Concat(sortedNames(builtinFilters), backstageFilterNames, slices.Sorted(maps.Keys(ev.env.Filters)))
		if ev.template.opts.CookiecutterCompat {
			known = append(known, "jsonify")
		}
		throw("Unknown template filter " + quoteSource(n.Name) + didYouMean(n.Name, known))
	}
	if host != nil && len(n.Args.Keyword) > 0 {
		throw("Registered filter " + n.Name + " does not accept keyword arguments")
	}
	input := ev.eval(n.Input, e, depth+2)
	args := ev.arguments(n.Args, e, depth+1)
	if host != nil {
		refuseCallable(input)
		args.refuseCallables()
		ev.scratch(append([]any{input}, args.positional...)...)
		ev.countCall()
		v, err := host(ev.export(input, 0), ev.exportAll(args.positional))
		return ev.result("filter", n.Name, v, err)
	}
	args.refuseCallables()
	refuseCallable(input)
	positional := ev.lowerKeywords(name, args)
	ev.scratch(append([]any{input}, positional...)...)
	ev.at = n.NamePos
	ev.doing = "Filter " + quoteSource(name) + " failed for " + kindOf(input) + " input: "
	v := builtin(ev, input, positional)
	ev.doing = ""
	return v
}

// keywordParameters are the filters that take keyword arguments by name; the others get them as one record.
var keywordParameters = map[string][]string{
	"int":  {"default", "base"},
	"sort": {"reverse", "case_sensitive", "attribute"},
}

func (ev *evaluator) lowerKeywords(name string, args *arguments) []any {
	if names := keywordParameters[name]; names != nil {
		positional := slices.Clone(args.positional)
		for i := len(positional); i < len(names); i++ {
			v, _ := args.find(names[i])
			positional = append(positional, v)
		}
		return positional[:len(names)]
	}
	if len(args.keyword) == 0 {
		return args.positional
	}
	o := ev.newObject()
	for _, k := range args.keyword {
		o.Set(k.name, k.value)
	}
	o.Set("__keywords", true)
	return append(slices.Clone(args.positional), o)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

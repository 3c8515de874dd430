package expr

type cycler struct {
	values []any
	index  int
}

type joiner struct {
	separator any
	used      bool
}

// global finds a function of the caller or a built-in one.
func (ev *evaluator) global(name string) any {
	if c := ev.globals[name]; c != nil {
		return c
	}
	var c *callable
	switch fn := ev.env.Funcs[name]; {
	case fn != nil:
		c = &callable{kind: callFunc, name: name, fn: fn}
	case name == "range" || name == "cycler" || name == "joiner":
		c = &callable{kind: callBuiltin, name: name}
	default:
		return Undefined
	}
	ev.globals[name] = c
	return c
}

func (c *callable) checkSyntax(args Args) {
	switch {
	case c.method != nil:
		positionalOnly(args, "Template intrinsic "+c.name, c.method.least, c.method.most)
	case c.joiner != nil:
		positionalOnly(args, "Joiner instance", 0, 0)
	case c.cycler != nil && c.name == "":
		throw("Interpreter builtin object is not directly callable")
	case c.cycler != nil:
		positionalOnly(args, "Cycler "+c.name, 0, 0)
	case c.name == "range":
		atMost(args, "Built-in global range", 3, "s")
	case c.name == "joiner":
		atMost(args, "Built-in global joiner", 1, "")
	default:
		positionalOnly(args, "Built-in global "+c.name, 0, -1)
	}
}

func atMost(args Args, what string, most int, plural string) {
	positionalOnly(args, what, 0, -1)
	if len(args.Positional) > most {
		throwf("%s accepts at most %d positional argument%s", what, most, plural)
	}
}

func (ev *evaluator) callBuiltin(c *callable, args []any) any {
	switch {
	case c.method != nil:
		refuseCallable(c.receiver)
		ev.scratch(append([]any{c.receiver}, args...)...)
		v := c.method.fn(ev, c.receiver, args)
		if a, ok := v.(*array); ok {
			ev.reserve(float64(len(a.items)))
		}
		return v
	case c.joiner != nil:
		if !c.joiner.used {
			c.joiner.used = true
			return ""
		}
		return c.joiner.separator
	case c.cycler != nil:
		return c.cycler.call(c.name)
	case c.name == "range":
		return ev.rangeOf(at(args, 0), at(args, 1), at(args, 2))
	case c.name == "cycler":
		return &callable{kind: callBuiltin, cycler: &cycler{values: args, index: -1}}
	}
	var separator any = ","
	if v := at(args, 0); Truthy(v) {
		separator = v
	}
	return &callable{kind: callBuiltin, joiner: &joiner{separator: separator}}
}

func (c *cycler) call(method string) any {
	if method == "reset" {
		c.index = -1
		return Undefined
	}
	if len(c.values) == 0 {
		c.index = 0
		return Undefined
	}
	c.index = (c.index + 1) % len(c.values)
	return c.values[c.index]
}

// callableMember is what a cycler has; other functions have no properties.
func (ev *evaluator) callableMember(c *callable, key string) any {
	if c.cycler == nil || c.name != "" {
		return Undefined
	}
	switch key {
	case "current":
		if c.cycler.index < 0 {
			return nil
		}
		return at(c.cycler.values, c.cycler.index)
	case "next", "reset":
		return &callable{kind: callBuiltin, cycler: c.cycler, name: key}
	}
	return Undefined
}

func (ev *evaluator) rangeOf(start, stop, step any) any {
	ev.scratch(start, stop, step)
	if stop == any(Undefined) {
		start, stop, step = 0.0, start, 1.0
	} else if !Truthy(step) {
		step = 1.0
	}
	var out []any
	up := ev.order(step, 0.0) > 0
	for v := start; ; v = ev.add(v, step) {
		if o := ev.order(v, stop); up && !(o < 0) || !up && !(o > 0) {
			break
		}
		out = append(out, v)
		ev.charge(0)
	}
	return ev.newArray(out)
}

package expr

// scope holds what was assigned by name. An isolating scope keeps assignments to itself.
type scope struct {
	parent   *scope
	isolate  bool
	bindings map[string]any
	// vars is set for the outermost scope only; variables of the caller are never assigned to.
	vars *Object
}

func newScope(parent *scope, isolate bool) *scope { return &scope{parent: parent, isolate: isolate} }

func (s *scope) set(name string, v any) {
	if s.bindings == nil {
		s.bindings = map[string]any{}
	}
	s.bindings[name] = v
}

// assign replaces the nearest binding that may be assigned to, or makes one here.
func (s *scope) assign(name string, v any) {
	target := s
	for t := s; t != nil; t = t.parent {
		if _, ok := t.bindings[name]; ok {
			target = t
			break
		}
		if t.isolate || t.vars.Has(name) {
			break
		}
	}
	target.set(name, v)
}

// frame is the storage of one invocation's slots.
type frame struct {
	parent *frame
	values map[int]any
}

func newFrame(p *framePlan, parent *frame) *frame {
	f := &frame{parent: parent, values: make(map[int]any, len(p.slots))}
	for _, s := range p.slots {
		f.values[s] = Undefined
	}
	return f
}

func (f *frame) get(slot int) any {
	for ; f != nil; f = f.parent {
		if v, ok := f.values[slot]; ok {
			return v
		}
	}
	return Undefined
}

func (f *frame) set(slot int, v any) {
	for ; f != nil; f = f.parent {
		if _, ok := f.values[slot]; ok {
			f.values[slot] = v
			return
		}
	}
}

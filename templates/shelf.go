package templates

// Shelf holds the templates that can be run, the newest version of each.
type Shelf struct {
	byRef map[string]*Version
	order []*Version
}

// NewShelf puts versions on a shelf; of two with the same ref the later one counts.
func NewShelf(versions ...*Version) *Shelf {
	s := &Shelf{byRef: map[string]*Version{}}
	for _, v := range versions {
		if _, again := s.byRef[v.Ref]; !again {
			s.order = append(s.order, v)
		}
		s.byRef[v.Ref] = v
	}
	return s
}

// Get finds a template by its canonical ref.
func (s *Shelf) Get(ref string) (*Version, bool) {
	v, ok := s.byRef[ref]
	return v, ok
}

// List gives all templates in the order they came.
func (s *Shelf) List() []*Version {
	list := make([]*Version, len(s.order))
	for i, v := range s.order {
		list[i] = s.byRef[v.Ref]
	}
	return list
}

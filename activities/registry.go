package activities

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/plan"
)

// Registry holds the actions of a worker.
type Registry struct {
	byID  map[string]Action
	order []string
	errs  []error
}

// NewRegistry collects actions. Check says what is wrong with them.
func NewRegistry(actions ...Action) *Registry {
	r := &Registry{byID: map[string]Action{}}
	for _, a := range actions {
		id := a.info.ID
		if _, twice := r.byID[id]; twice {
			r.errs = append(r.errs, fmt.Errorf("%s: declared twice", id))
			continue
		}
		r.errs = append(r.errs, a.errs...)
		r.byID[id] = a
		r.order = append(r.order, id)
	}
	slices.SortFunc(r.order, strings.Compare)
	return r
}

// Check reports everything that is wrong with every declaration. A worker must not start on an error.
func (r *Registry) Check() error { return errors.Join(r.errs...) }

// Get finds an action by id.
func (r *Registry) Get(id string) (Action, bool) {
	a, ok := r.byID[id]
	return a, ok
}

// Infos describes every action, sorted by id.
func (r *Registry) Infos() []plan.Action {
	infos := make([]plan.Action, 0, len(r.order))
	for _, id := range r.order {
		infos = append(infos, r.byID[id].info)
	}
	return infos
}

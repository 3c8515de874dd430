// Package templatesource keeps what can be run up to date: it reads templates where they are written, keeps every
// good version with its files, and shows what is wrong with the others.
package templatesource

import (
	"context"
	"io/fs"
	"net/url"

	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/internal/fault"
)

// Source is a place that templates are read from.
type Source interface {
	// Name is what people and the database call it; no two sources have the same.
	Name() string
	// Read lists the templates that are there now, in an order that doesn't change. An error says that nobody knows.
	// The caller calls done when it has opened what it wanted to read.
	Read(ctx context.Context) (found []Found, done func(), err error)
}

// Found is a template that a source has.
type Found struct {
	Place string // where in the source; unique there
	File  string // as problems name it
	Name  string // of the file in its folder
	// Entity is the template as the catalog has read it, if it comes from there: it counts, and not the file. Same reports
	// whether the file in the folder says the same; then it may be read instead, as it has lines.
	Entity []byte
	Same   func(folder fs.FS) bool
	// Open gives the folder. The caller calls done when it has read it.
	Open func(ctx context.Context) (_ fs.FS, done func(), err error)
	// Revision, if it isn't empty, stays the same for as long as the folder does.
	Revision string
	Commit   fetch.Commit // that the folder was read at, if it comes from a repository
	ShownURL string       // where the template is, as clients are told
	BaseURL  string       // what relative URLs that lead out of the folder resolve against
	Err      error        // why there is nothing to open
}

// Repositories reads folders of source code hosts. *fetch.Sources implements it.
type Repositories interface {
	Repository(at *url.URL) (root *url.URL, inside string, err error)
	Pin(ctx context.Context, at *url.URL) (fetch.Pinned, error)
	Tree(ctx context.Context, at *url.URL) (_ fs.FS, done func(), err error)
}

// What a source may have.
const (
	maxTemplates = 2_000
	maxVisited   = 200_000 // names looked at
)

func tooMany() error {
	return fault.New(fault.Invalid, "the source has more than %d templates", maxTemplates)
}

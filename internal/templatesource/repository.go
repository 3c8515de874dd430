package templatesource

import (
	"context"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/internal/fault"
)

// repository is a source in a folder of a repository, or one template of it.
type repository struct {
	at    string
	hosts Repositories

	mu    sync.Mutex
	read  string // the commit of found
	found []Found
}

// Repository is the folder that a URL of a source code host names, as of whatever commit is the newest: all templates
// in it, or the one that the URL names by its file. What was read once is read again only if there is a new commit.
func Repository(at string, hosts Repositories) Source { return &repository{at: at, hosts: hosts} }

func (r *repository) Name() string { return "url:" + r.at }

func (r *repository) Read(ctx context.Context) (found []Found, done func(), err error) {
	at, err := url.Parse(r.at)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "%q is not a URL", r.at)
	}
	dir, file := split(at)
	pinned, err := r.hosts.Pin(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if pinned.ID == r.read {
		return r.found, func() {}, nil
	}
	tree, done, err := r.hosts.Tree(ctx, pinned.URL)
	if err != nil {
		return nil, nil, err
	}
	places := []string{file}
	if file == "" {
		if places, err = find(ctx, tree); err != nil {
			done()
			return nil, nil, err
		}
	}
	r.read, r.found = pinned.ID, nil
	for _, place := range places {
		f := r.template(pinned, place)
		r.found = append(r.found, f)
		f.Open = below(tree, path.Dir(place))
		found = append(found, f)
	}
	return found, done, nil
}

func (r *repository) template(pinned fetch.Pinned, place string) Found {
	f := Found{Place: place, File: place, Name: path.Base(place), Revision: pinned.ID, Commit: pinned.Commit}
	f.ShownURL, f.BaseURL = pinned.Below(place)
	f.Open = func(ctx context.Context) (fs.FS, func(), error) {
		_, dir := pinned.Below(path.Dir(place))
		at, err := url.Parse(dir)
		if err != nil {
			return nil, nil, err
		}
		return r.hosts.Tree(ctx, at)
	}
	return f
}

// split takes the name of a template's file off a URL, if it names one.
func split(at *url.URL) (dir *url.URL, file string) {
	if ext := path.Ext(at.Path); ext != ".yaml" && ext != ".yml" {
		return at, ""
	}
	return at.JoinPath(".."), path.Base(at.Path)
}

// parent is the folder that relative URLs begin in.
func parent(at *url.URL) *url.URL {
	if strings.HasSuffix(at.Path, "/") {
		return at
	}
	return at.JoinPath("..")
}

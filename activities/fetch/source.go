// Package fetch brings the files of a template's skeleton into a run's workspace.
package fetch

import (
	"context"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Options say where files may come from.
type Options struct {
	// Golden holds the shipped templates: golden://<name>/template.yaml lies in its folder <name>.
	Golden fs.FS
	// Hosts are the source code hosts, by the host of their URLs, e.g. github.com.
	Hosts map[string]Reader
}

// Reader reads folders from a source code host.
type Reader interface {
	// Tree gives the folder that a URL of the host names, whole. An empty token means the reader's own.
	Tree(ctx context.Context, at *url.URL, token secrets.Secret) (fs.FS, error)
}

// open finds the folder that `ref` names for a template at base. The caller closes it.
func (o Options) open(ctx context.Context, base, ref string, token secrets.Secret) (_ fs.FS, done func(), err error) {
	done = func() {}
	if at, err := url.Parse(ref); err == nil && at.IsAbs() {
		files, err := o.remote(ctx, at, token)
		return files, done, err
	}
	from, err := url.Parse(base)
	if err != nil || base == "" {
		return nil, done, fault.Wrap(fault.Invalid, err, "%q is relative, and the template has no location that it could be relative to", ref)
	}
	switch from.Scheme {
	case "golden":
		files, err := o.golden(from, ref)
		return files, done, err
	case "file":
		return local(from, ref)
	}
	at, err := relativeTo(from, ref)
	if err != nil {
		return nil, done, err
	}
	files, err := o.remote(ctx, at, token)
	return files, done, err
}

func (o Options) golden(base *url.URL, ref string) (fs.FS, error) {
	if o.Golden == nil || !fs.ValidPath(base.Host) {
		return nil, fault.New(fault.NotFound, "there is no shipped template %q", base.Host)
	}
	name, err := inside(path.Dir(strings.TrimPrefix(base.Path, "/")), ref)
	if err != nil {
		return nil, err
	}
	return sub(o.Golden, path.Join(base.Host, name), ref)
}

// local reads beside a template in a folder of this machine. A link can't lead out of that folder.
func local(base *url.URL, ref string) (fs.FS, func(), error) {
	nothing := func() {}
	name, err := inside(".", ref)
	if err != nil {
		return nil, nothing, err
	}
	root, err := os.OpenRoot(filepath.FromSlash(path.Dir(base.Path)))
	if err != nil {
		return nil, nothing, fault.Wrap(fault.NotFound, err, "the template's folder can't be read")
	}
	files, err := sub(root.FS(), name, ref)
	if err != nil {
		_ = root.Close() // it was only read
		return nil, nothing, err
	}
	return files, func() { _ = root.Close() }, nil
}

func (o Options) remote(ctx context.Context, at *url.URL, token secrets.Secret) (fs.FS, error) {
	reader, known := o.Hosts[at.Host]
	if at.Scheme != "https" || !known {
		return nil, fault.New(fault.Invalid, "nobody here can read %s: no integration is configured for it", at.Redacted())
	}
	return reader.Tree(ctx, at, token)
}

// relativeTo resolves as Backstage does: a leading slash is the root of the repository at that ref.
func relativeTo(base *url.URL, ref string) (*url.URL, error) {
	parsed, err := url.Parse(ref)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%q is not a URL", ref)
	}
	if strings.HasPrefix(ref, "/") && parsed.Host == "" {
		if parts := strings.SplitN(strings.TrimPrefix(base.Path, "/"), "/", 5); len(parts) >= 4 {
			rooted := *base
			rooted.Path = "/" + path.Join(append(parts[:4:4], path.Clean(parsed.Path))...)
			return &rooted, nil
		}
	}
	return base.ResolveReference(parsed), nil
}

// inside joins a folder and what a template names relative to it.
func inside(dir, ref string) (string, error) {
	name := path.Join(dir, ref)
	if !fs.ValidPath(name) || strings.Contains(name, `\`) {
		return "", fault.New(fault.Denied, "%q leads out of the template's folder", ref)
	}
	return name, nil
}

func sub(files fs.FS, name, ref string) (fs.FS, error) {
	info, err := fs.Stat(files, name)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.NotFound, err, "there is no folder %q beside the template", ref)
	case !info.IsDir():
		return nil, fault.New(fault.Invalid, "%q is a file; a folder is needed", ref)
	}
	inner, err := fs.Sub(files, name)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the folder %q can't be read", ref)
	}
	return inner, nil
}

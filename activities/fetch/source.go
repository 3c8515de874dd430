// Package fetch brings the files of a template's skeleton into a run's workspace.
package fetch

import (
	"context"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/gildway/gildway/internal/workspace"
)

// Options say where files may come from.
type Options struct {
	// Kept are the files of template versions; nil: none are kept.
	Kept *Kept
	// Golden holds the shipped templates: golden://<name>/template.yaml lies in its folder <name>. Runs that were
	// accepted when versions were kept without their files read it.
	Golden fs.FS
	// Sources are the hosts; nil: none.
	Sources *Sources
}

// Actions are all actions of this package.
func Actions(o Options) []activities.Action {
	return []activities.Action{Template(o), TemplateFile(o), Plain(o), PlainFile(o)}
}

// file is a single file that was fetched.
type file struct {
	content []byte
	mode    fs.FileMode
}

// folder finds the folder that `ref` names for a template. The caller calls done when it has read it.
func (o Options) folder(ctx context.Context, t plan.Template, ref string, token secrets.Secret) (_ fs.FS, done func(), err error) {
	done = func() {}
	beside, name, err := o.beside(ctx, t, ref)
	switch {
	case err != nil:
		return nil, done, err
	case beside == nil:
		at, err := o.address(t.BaseURL, ref)
		if err != nil {
			return nil, done, err
		}
		return o.Sources.tree(ctx, at, token)
	}
	done = beside.close
	info, err := fs.Stat(beside.files, name)
	switch {
	case err != nil:
		return nil, done, fault.Wrap(fault.NotFound, err, "there is no folder %q beside the template", ref)
	case !info.IsDir():
		return nil, done, fault.New(fault.Invalid, "%q is a file and a folder is needed; fetch:plain:file and fetch:template:file take files", ref)
	}
	inner, err := fs.Sub(beside.files, name)
	if err != nil {
		return nil, done, fault.Wrap(fault.Internal, err, "the folder %q can't be read", ref)
	}
	return inner, done, nil
}

// file reads the file that `ref` names for a template.
func (o Options) file(ctx context.Context, t plan.Template, ref string, token secrets.Secret) (file, error) {
	beside, name, err := o.beside(ctx, t, ref)
	if err != nil {
		return file{}, err
	}
	if beside == nil {
		at, err := o.address(t.BaseURL, ref)
		if err != nil {
			return file{}, err
		}
		content, err := o.Sources.file(ctx, at, token)
		return file{content, 0o644}, err
	}
	defer beside.close()
	f, err := beside.files.Open(name)
	if err != nil {
		return file{}, fault.Wrap(fault.NotFound, err, "there is no file %q beside the template", ref)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	switch {
	case err != nil:
		return file{}, readable(err)
	case !info.Mode().IsRegular():
		return file{}, fault.New(fault.Invalid, "%q is not a file; fetch:plain and fetch:template take folders", ref)
	}
	content, err := readBounded(f, ref)
	return file{content, info.Mode()}, err
}

// readBounded reads a file that a workspace may hold.
func readBounded(r io.Reader, name string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, workspace.MaxFileSize+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "%s can't be read to its end", name)
	case len(content) > workspace.MaxFileSize:
		return nil, fault.New(fault.Invalid, "%s is too large; a file may have %d MiB", name, workspace.MaxFileSize>>20)
	}
	return content, nil
}

// neighbours are the files that a template can name by a relative path alone.
type neighbours struct {
	files fs.FS
	close func()
}

// beside gives the files that lie beside a template: those kept with its version, or of a shipped template, or of one
// in a folder of this machine; and what ref is called there. It is nil for anything that a host has to be asked for.
func (o Options) beside(ctx context.Context, t plan.Template, ref string) (*neighbours, string, error) {
	base := t.BaseURL
	if absolute(ref) {
		return nil, "", nil
	}
	if name, err := inside(".", relativeName(base, ref)); t.Stored && err == nil {
		files, done, err := o.Kept.Open(ctx, t.Digest)
		return &neighbours{files, done}, name, err
	}
	if at, isFile := strings.CutPrefix(base, "file://"); isFile {
		name, err := inside(".", ref)
		if err != nil {
			return nil, "", err
		}
		root, err := os.OpenRoot(filepath.FromSlash(path.Dir(at)))
		if err != nil {
			return nil, "", fault.Wrap(fault.NotFound, err, "the template's folder can't be read")
		}
		// A link can't lead out of the folder.
		return &neighbours{root.FS(), func() { _ = root.Close() }}, name, nil
	}
	from, err := url.Parse(base)
	if err != nil || from.Scheme != "golden" {
		return nil, "", nil
	}
	if o.Golden == nil || !fs.ValidPath(from.Host) {
		return nil, "", fault.New(fault.NotFound, "there is no shipped template %q", from.Host)
	}
	name, err := inside(path.Dir(strings.TrimPrefix(from.Path, "/")), ref)
	return &neighbours{o.Golden, func() {}}, path.Join(from.Host, name), err
}

// address gives the URL that ref means for a template at base.
func (o Options) address(base, ref string) (*url.URL, error) {
	if absolute(ref) {
		at, err := url.Parse(ref)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "%q is not a URL", ref)
		}
		return at, nil
	}
	from, err := url.Parse(base)
	if err != nil || base == "" {
		return nil, fault.Wrap(fault.Invalid, err, "Failed to fetch, template location could not be determined and the fetch URL is relative, %s", ref)
	}
	return o.Sources.resolve(from, ref)
}

func absolute(ref string) bool {
	at, err := url.Parse(ref)
	return err == nil && at.IsAbs()
}

// inside joins a folder and what a template names relative to it.
func inside(dir, ref string) (string, error) {
	name := path.Join(dir, ref)
	if strings.HasPrefix(ref, "/") || !fs.ValidPath(name) || strings.Contains(name, `\`) {
		return "", outside()
	}
	return name, nil
}

// outside is how Backstage words the refusal of a path that leaves its folder.
func outside() error {
	return fault.New(fault.Denied, "Relative path is not allowed to refer to a directory outside its parent")
}

// relativeName is a relative URL as a path. In the URLs of hosts it may be escaped; names of files are as they are.
func relativeName(base, ref string) string {
	if name, err := url.PathUnescape(ref); err == nil && strings.HasPrefix(base, "https://") {
		return name
	}
	return ref
}

func readable(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the files can't be read now")
}

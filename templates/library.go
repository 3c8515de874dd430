package templates

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/snapshot"
)

//go:embed all:golden
var golden embed.FS

// Golden holds the shipped golden paths, a folder each.
func Golden() fs.FS {
	sub, err := fs.Sub(golden, "golden")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return sub
}

// GoldenPaths are the shipped templates, by the names of their folders.
func GoldenPaths() ([]*Template, error) {
	files := Golden()
	places, err := fs.Glob(files, "*/"+templateFile)
	if err != nil {
		return nil, err
	}
	all := make([]*Template, 0, len(places))
	for _, place := range places {
		src, err := fs.ReadFile(files, place)
		if err != nil {
			return nil, err
		}
		t, problems := Parse(place, src)
		if len(problems) > 0 {
			return nil, fault.WithProblems(place+" can't be read", problems)
		}
		all = append(all, t)
	}
	return all, nil
}

// Version is one immutable version of a template: its file and everything beside it.
type Version struct {
	Ref      string // canonical entity ref
	Name     string
	Digest   string // of the folder's snapshot
	BaseURL  string // where the template is, as clients are told; the plan has what its relative URLs resolve against
	Template *Template
	Plan     *plan.Plan
}

// templateFile is the name of a template in its folder.
const templateFile = snapshot.TemplateFile

// LoadFS reads and compiles every folder of fsys that holds a template.yaml, sorted by folder. baseURL
// gives what relative URLs of the template in a folder resolve against. A template with problems is left out.
func LoadFS(fsys fs.FS, baseURL func(name string) string, actions Actions) ([]*Version, []fault.Problem) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, []fault.Problem{unreadable(".", err)}
	}
	var versions []*Version
	var problems []fault.Problem
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub, err := fs.Sub(fsys, e.Name())
		if err != nil {
			problems = append(problems, unreadable(e.Name(), err))
			continue
		}
		if _, err := fs.Stat(sub, templateFile); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		v, found := load(sub, templateFile, path.Join(e.Name(), templateFile), baseURL(e.Name()), actions)
		problems = append(problems, found...)
		if v != nil {
			versions = append(versions, v)
		}
	}
	return versions, problems
}

// LoadPath reads and compiles a template file, or every template.yaml below a folder. Beside the
// problems that stand against a plan it gives Lint's advice, and then the version too.
func LoadPath(name string, actions Actions) ([]*Version, []fault.Problem) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, []fault.Problem{unreadable(name, err)}
	}
	files := []string{name}
	if info.IsDir() {
		files, err = findTemplates(name)
		if err != nil {
			return nil, []fault.Problem{unreadable(name, err)}
		}
		if len(files) == 0 {
			return nil, []fault.Problem{{File: name, Rule: "no-template", Says: "there is no " + templateFile + " below " + name}}
		}
	}
	var versions []*Version
	var problems []fault.Problem
	for _, file := range files {
		v, found := loadFile(file, actions)
		problems = append(problems, found...)
		if v != nil {
			versions = append(versions, v)
		}
	}
	return versions, problems
}

func findTemplates(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "node_modules":
			return fs.SkipDir
		case d.Type().IsRegular() && d.Name() == templateFile:
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

func loadFile(file string, actions Actions) (*Version, []fault.Problem) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, []fault.Problem{unreadable(file, err)}
	}
	root, err := os.OpenRoot(filepath.Dir(absolute))
	if err != nil {
		return nil, []fault.Problem{unreadable(file, err)}
	}
	v, problems := load(root.FS(), filepath.Base(absolute), file, "file://"+filepath.ToSlash(absolute), actions)
	if v != nil {
		problems = Lint(v.Template, actions)
	}
	return v, problems
}

func unreadable(name string, err error) fault.Problem {
	var of *fs.PathError
	var told *fault.Error
	switch {
	case errors.As(err, &told):
		return fault.Problem{File: name, Rule: "unreadable", Says: told.Public}
	case errors.As(err, &of):
		err = of.Err
	}
	return fault.Problem{File: name, Rule: "unreadable", Says: fmt.Sprintf("%s can't be read: %v", name, err)}
}

// load reads the template `name` of a folder. Problems carry its name as `shown`.
func load(folder fs.FS, name, shown, baseURL string, actions Actions) (*Version, []fault.Problem) {
	src, err := readBounded(folder, name, maxFile+1)
	if err != nil {
		return nil, []fault.Problem{unreadable(shown, err)}
	}
	t, problems := Parse(shown, src)
	if t == nil {
		return nil, problems
	}
	digest, err := digestOf(folder, name)
	if err != nil {
		return nil, append(problems, unreadable(path.Dir(shown), err))
	}
	p, found := Compile(t, actions, Context{BaseURL: baseURL, Digest: digest})
	problems = append(problems, found...)
	sortProblems(problems)
	if p == nil {
		return nil, problems
	}
	return &Version{Ref: t.Ref, Name: t.Name, Digest: digest, BaseURL: baseURL, Template: t, Plan: p}, problems
}

// Restore compiles a template whose snapshot is kept: relative URLs name what is in the snapshot first, and
// what leads out of it resolves against base. shown is where the template is, as clients are told.
func Restore(file string, kept snapshot.Snapshot, shown, base string, actions Actions) (*Version, []fault.Problem) {
	t, problems := Parse(file, kept.Source)
	if t == nil {
		return nil, problems
	}
	p, found := Compile(t, actions, Context{BaseURL: base, Digest: kept.Digest, Stored: true})
	problems = append(problems, found...)
	sortProblems(problems)
	if p == nil {
		return nil, problems
	}
	return &Version{Ref: t.Ref, Name: t.Name, Digest: kept.Digest, BaseURL: shown, Template: t, Plan: p}, problems
}

// readBounded reads at most limit bytes of a file.
func readBounded(folder fs.FS, name string, limit int64) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// digestOf names a version. A template of another name than template.yaml has the folder not to itself and counts
// alone.
func digestOf(folder fs.FS, name string) (string, error) {
	if name == templateFile {
		return snapshot.Digest(folder, name)
	}
	return snapshot.DigestOfFile(folder, name)
}

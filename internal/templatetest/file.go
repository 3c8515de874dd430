package templatetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/dryrun"
	"github.com/gildway/gildway/internal/fault"
)

// Suffix is how the name of a test file ends; without it stands the name of its template.
const Suffix = ".test.yaml"

// maxFile bounds a test file, in bytes.
const maxFile = 4 << 20

// file is a test file as it was written.
type file struct {
	name  string
	text  string
	tests []test
}

// test is one test of a file. What was not written is nil.
type test struct {
	name    string
	values  any
	user    user
	secrets map[string]string
	given   map[string]dryrun.Answer // by step id or action
	expect  expectation

	node       *yaml.Node // of the whole test
	expectNode *yaml.Node // nil if there is no `expect`
}

// user is who asks for the run.
type user struct {
	ref    string
	entity any
}

// expectation is what a test says of the run, by the sections of `expect`. Its values are those that YAML gives.
type expectation map[string]any

// Find gives the test files that a path names: itself, or all below a folder.
func Find(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !strings.HasSuffix(path, Suffix) {
			path = strings.TrimSuffix(path, filepath.Ext(path)) + Suffix
		}
		return []string{path}, nil
	}
	var found []string
	err = filepath.WalkDir(path, func(name string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "skeleton"):
			return filepath.SkipDir
		case d.Type().IsRegular() && strings.HasSuffix(name, Suffix):
			found = append(found, name)
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("there is no template%s below %s", Suffix, path)
	}
	return found, err
}

func read(name string) (*file, []fault.Problem) {
	unreadable := func(err error) []fault.Problem {
		return []fault.Problem{{File: name, Rule: "unreadable", Says: fmt.Sprintf("%s can't be read: %v", name, err)}}
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(err)
	}
	if info.Size() > maxFile {
		return nil, unreadable(fmt.Errorf("it has more than %d bytes", maxFile))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, unreadable(err)
	}
	f := &file{name: name, text: string(text)}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, []fault.Problem{{File: name, Rule: "yaml-syntax", Says: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if len(root.Content) == 0 {
		return nil, []fault.Problem{{File: name, Line: 1, Column: 1, Rule: "missing-field", Says: "the file is empty; it needs a list `tests`"}}
	}
	r := &reader{file: name}
	f.tests = r.tests(root.Content[0])
	slices.SortStableFunc(r.problems, func(a, b fault.Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return f, r.problems
}

package workspace

import (
	"iter"
	"maps"
	"path"
	"strings"
)

// entry is one name: a file, a link, an explicit folder or, in a layer only, a deletion.
type entry struct {
	Digest  string `json:"digest,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Exec    bool   `json:"exec,omitempty"`
	Link    string `json:"link,omitempty"`
	Dir     bool   `json:"dir,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

// tree is entries by their names. It knows which folders they make, so that no change has to look at
// them all.
type tree struct {
	files  map[string]entry
	inside map[string]int // how many names lie below a folder
	size   int64
}

func newTree() tree { return tree{files: map[string]entry{}, inside: map[string]int{}} }

func (t *tree) clone() tree {
	return tree{files: maps.Clone(t.files), inside: maps.Clone(t.inside), size: t.size}
}

func (t *tree) isDir(name string) bool {
	return name == "." || t.files[name].Dir || t.inside[name] > 0
}

func (t *tree) put(name string, e entry) {
	old, replaced := t.files[name]
	t.files[name] = e
	t.size += e.Size - old.Size
	if !replaced {
		for dir := range above(name) {
			t.inside[dir]++
		}
	}
}

func (t *tree) remove(name string) {
	old, there := t.files[name]
	if !there {
		return
	}
	delete(t.files, name)
	t.size -= old.Size
	for dir := range above(name) {
		if t.inside[dir]--; t.inside[dir] == 0 {
			delete(t.inside, dir)
		}
	}
}

// apply puts a later layer on top. Where names exclude each other (a file and a folder of that name),
// the later layer wins.
func (t *tree) apply(l layer) {
	for name, e := range l.Files {
		if e.Deleted {
			t.remove(name)
		}
	}
	for name, e := range l.Files {
		if e.Deleted {
			continue
		}
		for dir := range above(name) {
			if e, taken := t.files[dir]; taken && !e.Dir {
				t.remove(dir)
			}
		}
		if !e.Dir && t.inside[name] > 0 {
			t.removeBelow(name)
		}
		t.put(name, e)
	}
}

func (t *tree) removeBelow(name string) {
	for below := range t.files {
		if strings.HasPrefix(below, name+"/") {
			t.remove(below)
		}
	}
}

// diff gives the layer that makes `to` out of t.
func (t *tree) diff(to tree) layer {
	l := layer{Version: layerVersion, Files: map[string]entry{}}
	for name, e := range to.files {
		if old, there := t.files[name]; !there || old != e {
			l.Files[name] = e
		}
	}
	for name := range t.files {
		if _, there := to.files[name]; !there {
			l.Files[name] = entry{Deleted: true}
		}
	}
	return l
}

// above gives the folders that a name lies in, the nearest first and the workspace itself not at all.
func above(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if !yield(dir) {
				return
			}
		}
	}
}

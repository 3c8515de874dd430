package templatesource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/activities/fetch"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// ListedOnly is the annotation of an entity that only shows a template in the catalog: some other source has it.
const ListedOnly = "gildway.io/listed-only"

// Catalog lists the entities of the kind Template as the catalog wrote them. *catalog.Client implements it.
type Catalog interface {
	Templates(ctx context.Context, limit int) ([]json.RawMessage, error)
}

// backstage is the source of the templates that a catalog knows.
type backstage struct {
	catalog Catalog
	hosts   Repositories
}

// Backstage are the templates of a catalog. What an entity says counts; the files beside it lie where its annotations
// say that it was read.
func Backstage(catalog Catalog, hosts Repositories) Source { return backstage{catalog, hosts} }

func (b backstage) Name() string { return "catalog" }

// entity is what is read of a template's entity before it is compiled.
type entity struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   map[string]any  `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`

	ref         string
	annotations map[string]string
}

func readEntity(raw json.RawMessage) (e entity, err error) {
	var named struct {
		Metadata struct {
			Name, Namespace string
			Annotations     map[string]string
		}
	}
	if err := errors.Join(json.Unmarshal(raw, &e), json.Unmarshal(raw, &named)); err != nil {
		return e, fault.Wrap(fault.Invalid, err, "an entity of the catalog can't be read")
	}
	name := named.Metadata.Name
	if named.Metadata.Namespace != "" {
		name = named.Metadata.Namespace + "/" + name
	}
	ref, err := plan.ParseEntityRef(name, "template")
	if err != nil || ref.Kind != "template" {
		return e, fault.Wrap(fault.Invalid, err, "%q is not the name of a template", name)
	}
	e.ref, e.annotations = ref.String(), named.Metadata.Annotations
	return e, nil
}

// written is the entity without what the catalog adds to it.
func (e entity) written() []byte {
	own := map[string]any{}
	for key, value := range e.Metadata {
		if !slices.Contains([]string{"uid", "etag", "generation", "annotations"}, key) {
			own[key] = value
		}
	}
	text, _ := json.MarshalIndent(struct { // it was read from JSON
		APIVersion string          `json:"apiVersion"`
		Kind       string          `json:"kind"`
		Metadata   map[string]any  `json:"metadata"`
		Spec       json.RawMessage `json:"spec"`
	}{e.APIVersion, e.Kind, own, e.Spec}, "", "  ")
	return text
}

// location is where Backstage says that a template is.
func (e entity) location() (kind, target string) {
	at := e.annotations["backstage.io/source-location"]
	if at == "" {
		at = e.annotations["backstage.io/managed-by-location"]
	}
	kind, target, _ = strings.Cut(at, ":")
	return kind, target
}

func (b backstage) Read(ctx context.Context) (found []Found, done func(), err error) {
	entities, err := b.catalog.Templates(ctx, maxTemplates+1)
	if err != nil {
		return nil, nil, err
	}
	if len(entities) > maxTemplates {
		return nil, nil, tooMany()
	}
	pins := pins{hosts: b.hosts, known: map[string]pinned{}}
	for _, raw := range entities {
		e, err := readEntity(raw)
		if err != nil {
			return nil, nil, err
		}
		if e.annotations[ListedOnly] == "true" {
			continue
		}
		f := Found{Place: e.ref, File: e.ref, Entity: e.written()}
		if err := b.locate(ctx, e, &f, &pins); err != nil {
			if ctx.Err() != nil {
				return nil, nil, err
			}
			f.Err = err
		}
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Place, b.Place) })
	found = slices.CompactFunc(found, func(a, b Found) bool { return a.Place == b.Place })
	return found, func() {}, nil
}

// locate finds the folder of an entity.
func (b backstage) locate(ctx context.Context, e entity, f *Found, pins *pins) error {
	kind, target := e.location()
	at, err := url.Parse(target)
	if kind != "url" || err != nil || at.Scheme != "https" {
		return fault.New(fault.Invalid, "%s lies at %q; templates are read from url: locations with https. For a folder of this machine configure it in templates.sources", e.ref, kind+":"+target)
	}
	root, inside, err := b.hosts.Repository(parent(at))
	if err != nil {
		return err
	}
	now, err := pins.pin(ctx, root)
	if err != nil {
		return err
	}
	f.Revision, f.Commit, f.ShownURL = now.ID+" "+digest(f.Entity), now.Commit, target
	_, f.BaseURL = now.Below(path.Join(inside, templateFile))
	name := fileName(at, e.annotations["backstage.io/managed-by-location"])
	f.Name, f.File = name, path.Join(inside, name)
	f.Open = func(ctx context.Context) (fs.FS, func(), error) {
		_, dir := now.Below(inside)
		at, err := url.Parse(dir)
		if err != nil {
			return nil, nil, err
		}
		return b.hosts.Tree(ctx, at)
	}
	f.Same = func(folder fs.FS) bool { return says(folder, name, e) }
	return nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// fileName is what the template's file is called, as far as the annotations tell.
func fileName(at *url.URL, managedBy string) string {
	if _, file := split(at); file != "" {
		return file
	}
	if managed, err := url.Parse(strings.TrimPrefix(managedBy, "url:")); err == nil && strings.HasSuffix(managedBy, ".yaml") {
		return path.Base(managed.Path)
	}
	return templateFile
}

// says reports whether a file holds the entity and nothing else.
func says(files fs.FS, name string, e entity) bool {
	f, err := files.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return false
	}
	var there, here any
	docs := yaml.NewDecoder(bytes.NewReader(raw))
	if docs.Decode(&there) != nil || !errors.Is(docs.Decode(new(any)), io.EOF) {
		return false
	}
	asJSON, err := json.Marshal(there)
	if err != nil || json.Unmarshal(e.written(), &here) != nil || json.Unmarshal(asJSON, &there) != nil {
		return false
	}
	of := func(v any, key string) any {
		m, _ := v.(map[string]any)
		return m[key]
	}
	for _, key := range []string{"apiVersion", "kind", "spec"} {
		if !reflect.DeepEqual(of(there, key), of(here, key)) {
			return false
		}
	}
	named, err := readEntity(asJSON)
	return err == nil && named.ref == e.ref
}

type pinned struct {
	fetch.Pinned
	err error
}

// pins asks once for each repository.
type pins struct {
	hosts Repositories
	known map[string]pinned
}

func (p *pins) pin(ctx context.Context, root *url.URL) (fetch.Pinned, error) {
	now, asked := p.known[root.String()]
	if !asked {
		now.Pinned, now.err = p.hosts.Pin(ctx, root)
		p.known[root.String()] = now
	}
	return now.Pinned, now.err
}

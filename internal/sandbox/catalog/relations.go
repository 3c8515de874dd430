package catalog

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"maps"
	"sort"

	"github.com/gildway/gildway/internal/sandbox/ledger"
)

// edge is a field of spec that names other entities, and the pair of relations that it makes.
type edge struct {
	field, kind      string // kind is the default one of the refs
	forward, inverse string
}

var owned = edge{"owner", "group", "ownedBy", "ownerOf"}
var inSystem = edge{"system", "system", "partOf", "hasPart"}
var needs = edge{"dependsOn", "component", "dependsOn", "dependencyOf"}
var needed = edge{"dependencyOf", "component", "dependencyOf", "dependsOn"}

var edges = map[string][]edge{
	"Component": {
		owned, inSystem, needs, needed,
		{"subcomponentOf", "component", "partOf", "hasPart"},
		{"providesApis", "api", "providesApi", "apiProvidedBy"},
		{"consumesApis", "api", "consumesApi", "apiConsumedBy"},
	},
	"API":       {owned, inSystem},
	"Resource":  {owned, inSystem, needs, needed},
	"System":    {owned, {"domain", "domain", "partOf", "hasPart"}},
	"Domain":    {owned, {"subdomainOf", "domain", "partOf", "hasPart"}},
	"Template":  {owned},
	"User":      {{"memberOf", "group", "memberOf", "hasMember"}},
	"AIModel":   {owned, inSystem},
	"Toolchain": {owned, inSystem, {"models", "aimodel", "dependsOn", "dependencyOf"}},
	"Group": {
		{"parent", "group", "childOf", "parentOf"},
		{"children", "group", "parentOf", "childOf"},
		{"members", "user", "hasMember", "memberOf"},
	},
}

// snapshot is the catalog as one revision of the ledger has it, relations and all.
type snapshot struct {
	revision uint64
	list     []*shown
	byRef    map[string]*shown
}

// shown is an entity as the API shows it.
type shown struct {
	ref, uid string
	entity   map[string]any
	rows     map[string][]string // lower-case path → lower-case values, for filters
}

// current is the present snapshot.
func (d *Double) current() *snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Ledger.View(func(tx *ledger.Tx) {
		if revision := tx.Revision(entitiesBucket); d.state == nil || d.state.revision != revision {
			d.state = newSnapshot(ledger.All[record](tx, entitiesBucket, ""))
			d.state.revision = revision
		}
	})
	return d.state
}

type relation struct {
	Type      string `json:"type"`
	TargetRef string `json:"targetRef"`
}

func newSnapshot(records []record) *snapshot {
	s := &snapshot{byRef: map[string]*shown{}}
	relations := map[string]map[relation]bool{}
	relate := func(from, kind, to string) {
		if relations[from] == nil {
			relations[from] = map[relation]bool{}
		}
		relations[from][relation{kind, to}] = true
	}
	for _, r := range records {
		ref := refOf(r.Entity)
		for _, e := range edges[text(r.Entity, "kind")] {
			for _, target := range texts(object(r.Entity, "spec"), e.field) {
				to, err := parseRef(target, e.kind, text(object(r.Entity, "metadata"), "namespace"))
				if err != nil {
					continue
				}
				relate(ref, e.forward, to.String())
				relate(to.String(), e.inverse, ref)
			}
		}
	}
	for _, r := range records {
		ref := refOf(r.Entity)
		list := []any{}
		all := make([]relation, 0, len(relations[ref]))
		for rel := range relations[ref] {
			all = append(all, rel)
		}
		sort.Slice(all, func(i, j int) bool {
			return all[i].Type < all[j].Type || all[i].Type == all[j].Type && all[i].TargetRef < all[j].TargetRef
		})
		for _, rel := range all {
			list = append(list, map[string]any{"type": rel.Type, "targetRef": rel.TargetRef})
		}
		entity, meta := maps.Clone(r.Entity), maps.Clone(object(r.Entity, "metadata"))
		meta["uid"], meta["etag"] = r.UID, etag(r.Entity)
		entity["metadata"], entity["relations"] = meta, list
		v := &shown{ref: ref, uid: r.UID, entity: entity, rows: rows(entity)}
		s.list = append(s.list, v)
		s.byRef[ref] = v
	}
	return s
}

func etag(entity map[string]any) string {
	raw, _ := json.Marshal(entity)
	sum := sha1.Sum(raw)
	return hex.EncodeToString(sum[:])
}

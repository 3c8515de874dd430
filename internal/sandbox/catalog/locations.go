package catalog

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// location is a registered place to read entities from.
type location struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Target    string `json:"target"`
	EntityRef string `json:"entityRef"`
}

func (l location) text() string { return l.Type + ":" + l.Target }

// entity is the Location entity that stands for the registration.
func (l location) entity() map[string]any {
	_, name, _ := strings.Cut(l.EntityRef, "/")
	e := map[string]any{
		"apiVersion": "backstage.io/v1alpha1", "kind": "Location",
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"spec":     map[string]any{"type": l.Type, "target": l.Target},
	}
	setDefaults(e, l.text(), "")
	return e
}

func newLocation(kind, target string) location {
	sum := sha1.Sum([]byte(kind + ":" + target))
	return location{Type: kind, Target: target, EntityRef: "location:default/generated-" + hex.EncodeToString(sum[:])}
}

func (d *Double) findLocation(match func(location) bool) (location, bool) {
	var all []location
	d.Ledger.View(func(tx *ledger.Tx) { all = ledger.All[location](tx, locationsBucket, "") })
	for _, l := range all {
		if match(l) {
			return l, true
		}
	}
	return location{}, false
}

func (d *Double) postLocation(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r, "type", "target")
	if !ok {
		return
	}
	if text(b, "type") != "url" {
		refuse(w, r, "InputError", `Registered locations must be of an allowed type ["url"]`)
		return
	}
	loc := newLocation("url", text(b, "target"))
	_, exists := d.findLocation(func(l location) bool { return l.text() == loc.text() })
	if r.URL.Query().Get("dryRun") == "true" {
		d.dryRun(w, r, loc, exists)
		return
	}
	loc.ID, exists = newUUID(), false
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		for _, l := range ledger.All[location](tx, locationsBucket, "") {
			if exists = l.text() == loc.text(); exists {
				loc = l
				return nil
			}
		}
		tx.Put(locationsBucket, loc.ID, loc)
		tx.Effect("catalog.location.created", loc.Target)
		return nil
	})
	if err != nil {
		refuse(w, r, "Error", err.Error())
		return
	}
	if exists && r.URL.Query().Get("onConflict") != "refresh" {
		refuse(w, r, "ConflictError", "Location "+loc.text()+" already exists")
		return
	}
	// As in Backstage, what is wrong with the target doesn't keep the location from being registered.
	if err := d.refresh(r.Context(), loc); err != nil && !isFault(err) {
		refuse(w, r, "Error", err.Error())
		return
	}
	answer := map[string]any{"location": loc, "entities": []any{}}
	if exists {
		answer["exists"] = true
	}
	rest.JSON(w, http.StatusCreated, answer)
}

func (d *Double) dryRun(w http.ResponseWriter, r *http.Request, loc location, exists bool) {
	found, err := d.read(r.Context(), loc)
	if err != nil {
		refuse(w, r, "InputError", asFault(err).Error())
		return
	}
	loc.ID = loc.text()
	rest.JSON(w, http.StatusCreated, map[string]any{"exists": exists, "location": loc, "entities": append([]map[string]any{loc.entity()}, found...)})
}

// read gets all that a location leads to, the last document of a file first, as Backstage does.
func (d *Double) read(ctx context.Context, loc location) ([]map[string]any, error) {
	var found []map[string]any
	seen := map[string]bool{}
	stack := []string{loc.Target}
	for len(stack) > 0 {
		target := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[target] {
			continue
		}
		seen[target] = true
		if len(seen) > 200 {
			return nil, inputFault(nil, "Too many locations below %s", loc.Target)
		}
		docs, err := d.documents(ctx, target)
		if err != nil {
			return nil, err
		}
		for i := len(docs) - 1; i >= 0; i-- {
			entity := docs[i]
			if err := check(entity); err != nil {
				return nil, err
			}
			setDefaults(entity, "url:"+target, loc.text())
			found = append(found, entity)
			if text(entity, "kind") == "Location" {
				spec := object(entity, "spec")
				for _, t := range append(texts(spec, "target"), texts(spec, "targets")...) {
					base, err := url.Parse(target)
					if err != nil {
						return nil, inputFault(nil, "%v", err)
					}
					next, err := base.Parse(t)
					if err != nil {
						return nil, inputFault(nil, "%v", err)
					}
					stack = append(stack, next.String())
				}
			}
		}
	}
	return found, nil
}

func (d *Double) documents(ctx context.Context, target string) ([]map[string]any, error) {
	raw, err := d.Read(ctx, target)
	switch {
	case errors.Is(err, ErrNotAllowed):
		return nil, &fault{name: "Error", message: "Unable to read url, Reading from '" + target + "' is not allowed. " +
			"You may need to configure an integration for the target host, or add it to the configured list of allowed hosts at 'backend.reading.allow'"}
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fault{name: "NotFoundError", message: "Unable to read url, no matching files found for " + target}
	case err != nil:
		return nil, err
	}
	var docs []map[string]any
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	for {
		var doc map[string]any
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, &fault{name: "Error", message: fmt.Sprintf("YAML error at url:%s, %v", target, err)}
		}
		if doc != nil {
			docs = append(docs, doc)
		}
	}
}

func isFault(err error) bool {
	var f *fault
	return errors.As(err, &f)
}

// refresh reads a location anew and stores what it says. What can't be read leaves the old entities
// in place.
func (d *Double) refresh(ctx context.Context, loc location) error {
	found, err := d.read(ctx, loc)
	if err != nil {
		found = nil
	}
	updateErr := d.Ledger.Update(func(tx *ledger.Tx) error {
		if _, ok := ledger.Get[location](tx, locationsBucket, loc.ID); !ok {
			return nil
		}
		keep := map[string]bool{}
		for _, entity := range append([]map[string]any{loc.entity()}, found...) {
			ref := refOf(entity)
			keep[ref] = true
			old, existed := ledger.Get[record](tx, entitiesBucket, ref)
			if existed && old.Location != loc.ID {
				continue // first come, first served
			}
			now := record{UID: old.UID, Entity: entity, Location: loc.ID}
			switch {
			case !existed:
				now.UID = newUUID()
				tx.Effect("catalog.entity.created", ref)
			case etag(old.Entity) == etag(entity):
				continue
			default:
				tx.Effect("catalog.entity.updated", ref)
			}
			tx.Put(entitiesBucket, ref, now)
		}
		if err == nil {
			removeEntities(tx, func(ref string, r record) bool { return r.Location == loc.ID && !keep[ref] })
		}
		return nil
	})
	return errors.Join(err, updateErr)
}

func removeEntities(tx *ledger.Tx, which func(string, record) bool) {
	for _, r := range ledger.All[record](tx, entitiesBucket, "") {
		if ref := refOf(r.Entity); which(ref, r) {
			tx.Delete(entitiesBucket, ref)
			tx.Effect("catalog.entity.deleted", ref)
		}
	}
}

// RefreshBelow reads all locations whose target starts with prefix anew, as the catalog does when a
// source tells that something changed.
func (d *Double) RefreshBelow(ctx context.Context, prefix string) {
	var all []location
	d.Ledger.View(func(tx *ledger.Tx) { all = ledger.All[location](tx, locationsBucket, "") })
	for _, l := range all {
		if strings.HasPrefix(strings.ToLower(l.Target), strings.ToLower(prefix)) {
			_ = d.refresh(ctx, l) // a location that can't be read shows nothing new
		}
	}
}

func (d *Double) postRefresh(w http.ResponseWriter, r *http.Request) {
	b, ok := body(w, r, "entityRef")
	if !ok {
		return
	}
	ref, err := parseRef(text(b, "entityRef"), "", "default")
	var rec record
	d.Ledger.View(func(tx *ledger.Tx) { rec, ok = ledger.Get[record](tx, entitiesBucket, ref.String()) })
	if err != nil || !ok {
		refuse(w, r, "NotFoundError", "Failed to schedule "+text(b, "entityRef")+" for refresh")
		return
	}
	if l, found := d.findLocation(func(l location) bool { return l.ID == rec.Location }); found {
		_ = d.refresh(r.Context(), l) // as in Backstage the outcome is not the caller's concern
	}
	w.WriteHeader(http.StatusOK)
}

func (d *Double) listLocations(w http.ResponseWriter, r *http.Request) {
	answer := []any{}
	d.Ledger.View(func(tx *ledger.Tx) {
		for _, l := range ledger.All[location](tx, locationsBucket, "") {
			answer = append(answer, map[string]any{"data": l})
		}
	})
	rest.JSON(w, 200, answer)
}

func (d *Double) getLocation(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	l, ok := d.findLocation(func(l location) bool { return l.ID == id })
	if !ok {
		refuse(w, r, "NotFoundError", "Found no location with ID "+id)
		return
	}
	rest.JSON(w, 200, l)
}

func (d *Double) locationByEntity(w http.ResponseWriter, r *http.Request) {
	ref := pathRef(r)
	var rec record
	d.Ledger.View(func(tx *ledger.Tx) { rec, _ = ledger.Get[record](tx, entitiesBucket, ref.String()) })
	l, ok := d.findLocation(func(l location) bool { return l.ID == rec.Location })
	if !ok {
		refuse(w, r, "NotFoundError", "found no location for ref "+ref.String())
		return
	}
	rest.JSON(w, 200, l)
}

func (d *Double) deleteLocation(w http.ResponseWriter, r *http.Request) {
	id, ok := r.PathValue("id"), false
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		var l location
		if l, ok = ledger.Get[location](tx, locationsBucket, id); !ok {
			return nil
		}
		tx.Delete(locationsBucket, id)
		removeEntities(tx, func(_ string, r record) bool { return r.Location == id })
		tx.Effect("catalog.location.deleted", l.Target)
		return nil
	})
	switch {
	case err != nil:
		refuse(w, r, "Error", err.Error())
	case !ok:
		refuse(w, r, "NotFoundError", "Found no location with ID "+id)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

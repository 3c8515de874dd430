package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

var missing = json.RawMessage("null")

const refsAtOnce = 250 // in one request

func (c *Client) fetch(ctx context.Context, _ *activities.Call, in FetchInput) (out FetchOutput, err error) {
	if err := in.named(); err != nil {
		return out, err
	}
	if in.EntityRef != "" {
		if out.Entity, err = c.one(ctx, in); err != nil {
			return out, err
		}
	}
	if in.EntityRefs != nil {
		out.Entities, err = c.several(ctx, in)
	}
	return out, err
}

// named refuses to fetch nothing, unless that is fine.
func (in FetchInput) named() error {
	if in.EntityRef == "" && in.EntityRefs == nil && !in.Optional {
		return plainError(fault.Invalid, "Missing entity reference or references")
	}
	return nil
}

func (in FetchInput) valid() error {
	if err := in.named(); err != nil {
		return err
	}
	check := func(input, ref string) error {
		if activities.StandsIn(ref) || activities.StandsIn(in.DefaultKind+in.DefaultNamespace) {
			return nil
		}
		err := in.complete(ref)
		if err == nil {
			_, err = fullRef(ref, in.DefaultKind, in.DefaultNamespace)
		}
		return activities.At(input, err)
	}
	if in.EntityRef != "" {
		if err := check("entityRef", in.EntityRef); err != nil {
			return err
		}
	}
	for i, ref := range in.EntityRefs {
		if err := check(fmt.Sprintf("entityRefs[%d]", i), ref); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) one(ctx context.Context, in FetchInput) (json.RawMessage, error) {
	if err := in.complete(in.EntityRef); err != nil {
		return nil, err
	}
	ref, err := fullRef(in.EntityRef, in.DefaultKind, in.DefaultNamespace)
	if err != nil {
		return nil, err
	}
	entity, err := c.Entity(ctx, ref)
	switch {
	case errors.Is(err, fault.NotFound) && in.Optional:
		return missing, nil
	case errors.Is(err, fault.NotFound):
		return nil, notFound(in.EntityRef)
	default:
		return entity, err
	}
}

func (c *Client) several(ctx context.Context, in FetchInput) ([]json.RawMessage, error) {
	refs := make([]string, len(in.EntityRefs))
	for i, s := range in.EntityRefs {
		if err := in.complete(s); err != nil {
			return nil, err
		}
		ref, err := fullRef(s, in.DefaultKind, in.DefaultNamespace)
		if err != nil {
			return nil, err
		}
		refs[i] = ref.String()
	}
	entities := make([]json.RawMessage, 0, len(refs))
	for some := range slices.Chunk(refs, refsAtOnce) {
		var answer struct {
			Items []json.RawMessage `json:"items"`
		}
		err := c.call(ctx, http.MethodPost, "/entities/by-refs", nil, map[string]any{"entityRefs": some}, &answer)
		if err != nil {
			return nil, err
		}
		if len(answer.Items) != len(some) {
			return nil, fault.New(fault.Unavailable, "the catalog answered for %d of %d entities", len(answer.Items), len(some))
		}
		entities = append(entities, answer.Items...)
	}
	for i, entity := range entities {
		if there := len(entity) > 0 && !bytes.Equal(bytes.TrimSpace(entity), missing); there {
			continue
		}
		if !in.Optional {
			return nil, notFound(in.EntityRefs[i])
		}
		entities[i] = missing
	}
	return entities, nil
}

// complete refuses a ref without a kind, in Backstage's words.
func (in FetchInput) complete(ref string) error {
	switch kind, _, found := strings.Cut(ref, ":"); {
	case ref == "":
		return plainError(fault.Invalid, "Entity reference must not be empty")
	case in.DefaultKind == "" && (!found || strings.Contains(kind, "/")):
		return plainError(fault.Invalid, "Entity reference %q had missing or empty kind (e.g. did not start with \"component:\" or similar)", ref)
	default:
		return nil
	}
}

func notFound(ref string) error { return plainError(fault.NotFound, "Entity %s not found", ref) }

// plainError is what Backstage throws as an Error of no special class.
func plainError(kind fault.Kind, format string, args ...any) error {
	e := fault.New(kind, format, args...)
	e.Name = "Error"
	return e
}

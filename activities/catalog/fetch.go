package catalog

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

var missing = json.RawMessage("null")

func (c *Client) fetch(ctx context.Context, _ *activities.Call, in FetchInput) (FetchOutput, error) {
	if in.EntityRef == "" && len(in.EntityRefs) == 0 {
		if in.Optional {
			return FetchOutput{}, nil
		}
		return FetchOutput{}, fault.New(fault.Invalid, "Missing entity reference or references")
	}
	var out FetchOutput
	var err error
	if in.EntityRef != "" {
		if out.Entity, err = c.one(ctx, in, in.EntityRef); err != nil {
			return FetchOutput{}, err
		}
	}
	for _, ref := range in.EntityRefs {
		entity, err := c.one(ctx, in, ref)
		if err != nil {
			return FetchOutput{}, err
		}
		out.Entities = append(out.Entities, entity)
	}
	return out, nil
}

func (c *Client) one(ctx context.Context, in FetchInput, s string) (json.RawMessage, error) {
	ref, err := fullRef(s, in.DefaultKind, in.DefaultNamespace)
	if err != nil {
		return nil, err
	}
	entity, err := c.Entity(ctx, ref)
	if errors.Is(err, fault.NotFound) && in.Optional {
		return missing, nil
	}
	return entity, err
}

package catalog

import (
	"context"

	"github.com/gildway/gildway/activities"
)

func previewRegister(_ context.Context, _ *activities.Call, in RegisterInput) (preview activities.Preview[RegisterOutput], err error) {
	target, err := in.target()
	if err != nil {
		return preview, err
	}
	preview.Would = []string{"register " + target + " in the catalog"}
	preview.Output = RegisterOutput{EntityRef: "<registered entity>", CatalogInfoURL: target}
	return preview, nil
}

// foreseeRegister sees whether the location is there already. Its file may be one that an earlier step would make.
func (c *Client) foreseeRegister(ctx context.Context, _ *activities.Call, in RegisterInput) ([]string, error) {
	target, err := in.target()
	if err != nil || activities.StandsIn(target) {
		return nil, err
	}
	_, found, err := c.location(ctx, target)
	if err != nil || !found {
		return nil, err
	}
	if in.Optional {
		return []string{"find the location in the catalog already, and leave it"}, nil
	}
	return nil, alreadyThere(target)
}

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

package catalog_test

import (
	"testing"

	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/exercise"
)

// The recordings were made with the actions of the npm package @backstage/plugin-scaffolder-backend 4.2.0.
func TestActions_RecordedFromBackstage_Same(t *testing.T) {
	t.Parallel()
	exercise.Replay(t, "testdata/backstage.json", catalog.New(catalog.Config{}).Actions()...)
}

package toolchain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/approval"
	"github.com/gildway/gildway/activities/catalog"
	"github.com/gildway/gildway/activities/github"
	"github.com/gildway/gildway/activities/itsm"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/activities/toolchain"
	"github.com/gildway/gildway/activities/vault"
)

func TestActions_WithoutConfiguration_AreComplete(t *testing.T) {
	t.Parallel()
	var all []activities.Action
	all = append(all, approval.Actions()...)
	all = append(all, catalog.New(catalog.Config{}).Actions()...)
	all = append(all, github.New(github.Config{}).Actions()...)
	all = append(all, itsm.New(itsm.Config{}, nil).Actions()...)
	all = append(all, okta.New(okta.Config{}, nil).Actions()...)
	all = append(all, toolchain.New(nil, nil, nil).Actions()...)
	all = append(all, vault.New(vault.Config{}).Actions()...)
	r := activities.NewRegistry(all...)
	require.NoError(t, r.Check())
	for _, info := range r.Infos() {
		t.Log(info.ID, string(info.Input), string(info.Output))
	}
}

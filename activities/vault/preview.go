package vault

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

func (m *Minter) preview(_ context.Context, call *activities.Call, r Request) (preview activities.Preview[Minted], err error) {
	n, err := namesOf(call, r)
	if err != nil {
		return preview, err
	}
	lasting := cmp.Or(call.Lasting(), " for "+plan.Duration(defaultTTL).String())
	preview.Output = m.minted(call, n, time.Time{})
	preview.Output.ExpiresAt = "<the end of the key>"
	preview.Would = []string{
		fmt.Sprintf("make a key at %s/%s in Vault, and a policy and a token for it alone,%s", preview.Output.Mount, n.path, lasting),
		fmt.Sprintf("let %s collect the token, once", call.Run.Requester.Ref),
	}
	return preview, nil
}

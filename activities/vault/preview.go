package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/gildway/gildway/activities"
)

func (m *Minter) preview(_ context.Context, call *activities.Call, r Request) (preview activities.Preview[Minted], err error) {
	n, err := namesOf(call, r)
	if err != nil {
		return preview, err
	}
	ends := time.Now().Add(defaultTTL)
	if call.LeaseEnds != nil {
		ends = *call.LeaseEnds
	}
	preview.Output = m.minted(call, n, ends)
	preview.Would = []string{
		fmt.Sprintf("make a key at %s/%s in Vault, and a policy and a token for it alone, until %s",
			preview.Output.Mount, n.path, preview.Output.ExpiresAt),
		fmt.Sprintf("let %s collect the token, once", call.Run.Requester.Ref),
	}
	return preview, nil
}

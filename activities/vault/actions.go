package vault

import (
	"context"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/plan"
)

// Actions declares what a template can do with Vault.
func (m *Minter) Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[Request, Minted]{
			ID: "vault:mint-key",
			Description: "Makes a key for a team and a tool in Vault, with a policy for exactly its path and a token that ends with the lease. " +
				"The requester collects the token once; neither key nor token appears anywhere else.",
			Queue: activities.VaultQueue,
			Examples: []plan.Example{{Description: "A key for 30 days", YAML: `steps:
  - id: key
    name: Mint a scoped key
    action: vault:mint-key
    input:
      team: group:default/payments-team
      tool: aimodel:default/acme-llm-gateway
      purpose: Summaries of support tickets
    lease:
      ttl: 30d
`}},
			Do:      m.Mint,
			Preview: m.preview,
			Renew:   m.Renew,
			Undo: func(ctx context.Context, call *activities.Call, in Request, _ Minted, why string) error {
				return m.Revoke(ctx, call, in, why)
			},
			Check: func(ctx context.Context, call *activities.Call, in Request, _ Minted) (activities.Standing, error) {
				return m.Check(ctx, call, in)
			},
		}),
	}
}

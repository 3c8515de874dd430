package okta

import (
	"context"
	"errors"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// AddInput is the input of okta:group:add-member.
type AddInput struct {
	Group string `json:"group" jsonschema:"minLength=1" jsonschema_description:"Name or id of the group."`
	User  string `json:"user,omitempty" jsonschema_description:"User ref or Okta login. Default: the requester."`
}

// Actions declares what a template can do with Okta.
func (c *Client) Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[AddInput, Membership]{
			ID:          "okta:group:add-member",
			Description: "Adds a user to an Okta group. Undo removes them again, unless they were in it before.",
			Queue:       activities.OktaQueue,
			Examples: []plan.Example{{Description: "Add the requester to a group for 30 days", YAML: `steps:
  - id: group
    name: Join the access group
    action: okta:group:add-member
    input:
      group: llm-gateway-users
    lease:
      ttl: 30d
`}},
			Do:      c.add,
			Preview: preview,
			Foresee: func(ctx context.Context, call *activities.Call, in AddInput) ([]string, error) {
				return c.Foresee(ctx, in.Group, in.user(call))
			},
			Undo: c.withdraw,
			Check: func(ctx context.Context, call *activities.Call, _ AddInput, out Membership) (activities.Standing, error) {
				return c.Check(ctx, call, out)
			},
		}),
	}
}

// grantee is whom the step names, as people are looked for: the canonical ref of a user, or a login.
func (in AddInput) grantee(call *activities.Call) string {
	named := in.user(call)
	if ref, err := plan.ParseEntityRef(named, "user"); err == nil {
		return ref.String()
	}
	return named
}

func (in AddInput) user(call *activities.Call) string {
	if in.User != "" {
		return in.User
	}
	return call.Run.Requester.Ref
}

func (c *Client) add(ctx context.Context, call *activities.Call, in AddInput) (Membership, error) {
	m, err := c.Find(ctx, in.Group, in.user(call))
	if err != nil {
		return Membership{}, err
	}
	m.User = in.grantee(call)
	return m, c.Add(ctx, call, m)
}

func (c *Client) withdraw(ctx context.Context, call *activities.Call, in AddInput, out Membership, why string) error {
	if out.GroupID == "" || out.UserID == "" { // the step never said how it ended
		m, err := c.Find(ctx, in.Group, in.user(call))
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		out = m
	}
	return c.Remove(ctx, call, out, why)
}

// Package toolchain provisions a team's access to an AI tool in one step, built from the same grants
// that templates can make one by one.
package toolchain

import (
	"context"
	"errors"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/activities/okta"
	"github.com/gildway/gildway/activities/vault"
	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

// Directory knows who is in a team. A catalog implements it.
type Directory interface {
	// Members gives the canonical refs of a group's users.
	Members(ctx context.Context, groupRef string) ([]string, error)
}

// Groups grants memberships. okta.Client implements it.
type Groups interface {
	Find(ctx context.Context, group, user string) (okta.Membership, error)
	Foresee(ctx context.Context, group, user string) ([]string, error)
	Add(ctx context.Context, call *activities.Call, m okta.Membership) error
	Remove(ctx context.Context, call *activities.Call, m okta.Membership, why string) error
	Check(ctx context.Context, call *activities.Call, m okta.Membership) (activities.Standing, error)
}

// Keys makes keys that end. vault.Minter implements it.
type Keys interface {
	Mint(ctx context.Context, call *activities.Call, r vault.Request) (vault.Minted, error)
	Revoke(ctx context.Context, call *activities.Call, r vault.Request, why string) error
	Check(ctx context.Context, call *activities.Call, r vault.Request) (activities.Standing, error)
}

// Provisioner grants teams their tools.
type Provisioner struct {
	directory Directory
	groups    Groups
	keys      Keys
}

// New makes a provisioner. All arguments may be nil for declarations.
func New(directory Directory, groups Groups, keys Keys) *Provisioner {
	return &Provisioner{directory, groups, keys}
}

// Input is the input of toolchain:provision-ai-access.
type Input struct {
	ServiceName string `json:"serviceName" jsonschema:"minLength=1" jsonschema_description:"The service the access is for."`
	Team        string `json:"team" jsonschema:"minLength=1" jsonschema_description:"Group ref of the team."`
	Tool        string `json:"tool,omitempty" jsonschema:"default=acme-llm-gateway" jsonschema_description:"What the key opens: an entity ref or a word."`
	Group       string `json:"group,omitempty" jsonschema:"default=ai-coding-assistants" jsonschema_description:"The approved Okta group, by name or id."`
}

// Output is the output of toolchain:provision-ai-access.
type Output struct {
	Group     string   `json:"group"`
	Members   []string `json:"members" jsonschema_description:"Logins of the team's members, all of them in the group now."`
	KeyPath   string   `json:"keyPath" jsonschema_description:"Where the team's key is in Vault."`
	ExpiresAt string   `json:"expiresAt" jsonschema_description:"When the token for the key ends, RFC 3339."`
	Collect   string   `json:"collect" jsonschema_description:"Where the requester collects the token, once."`
}

const membersLimit = 200 // of a team; each is a grant

// granted names the memory of whom the first attempt set out to add, so that Undo finds them when the
// team has changed since.
const granted = "granted"

// Actions declares the action.
func (p *Provisioner) Actions() []activities.Action {
	return []activities.Action{
		activities.Define(activities.Spec[Input, Output]{
			ID:          "toolchain:provision-ai-access",
			Description: "Adds a service's team to the approved AI tool group and makes a key that is scoped to the team, in Vault.",
			Queue:       activities.OktaQueue,
			Examples: []plan.Example{{Description: "AI access for the owners of a new service", YAML: `steps:
  - id: provision-ai-access
    name: Provision AI Assistant Access
    action: toolchain:provision-ai-access
    input:
      serviceName: ${{ parameters.name }}
      team: ${{ parameters.owner }}
`}},
			Do:      p.provision,
			Preview: preview,
			Foresee: p.foresee,
			Undo:    p.withdraw,
			Check:   p.check,
		}),
	}
}

func (in Input) withDefaults() Input {
	if in.Tool == "" {
		in.Tool = "acme-llm-gateway"
	}
	if in.Group == "" {
		in.Group = "ai-coding-assistants"
	}
	return in
}

func (in Input) key() vault.Request {
	return vault.Request{Team: in.Team, Tool: in.Tool, Purpose: "AI access of " + in.ServiceName}
}

func (p *Provisioner) provision(ctx context.Context, call *activities.Call, in Input) (Output, error) {
	in = in.withDefaults()
	var team []okta.Membership
	// Everybody is looked up before anybody is added: a person without an account changes nothing.
	err := call.Once(ctx, granted, &team, func(ctx context.Context) (any, error) { return p.team(ctx, in) })
	if err != nil {
		return Output{}, err
	}
	out := Output{Group: in.Group, Members: []string{}}
	for _, m := range team {
		if err := p.groups.Add(ctx, call, m); err != nil {
			return Output{}, err
		}
		out.Members = append(out.Members, m.Login)
	}
	key, err := p.keys.Mint(ctx, call, in.key())
	if err != nil {
		return Output{}, err
	}
	out.KeyPath, out.ExpiresAt, out.Collect = key.Mount+"/"+key.Path, key.ExpiresAt, key.Collect
	return out, nil
}

func (p *Provisioner) team(ctx context.Context, in Input) ([]okta.Membership, error) {
	if p.directory == nil || p.groups == nil || p.keys == nil {
		return nil, fault.New(fault.Invalid, "provisioning AI access needs a catalog, Okta and Vault")
	}
	users, err := p.members(ctx, in)
	if err != nil {
		return nil, err
	}
	team := make([]okta.Membership, 0, len(users))
	for _, user := range users {
		m, err := p.groups.Find(ctx, in.Group, user)
		if err != nil {
			return nil, err
		}
		team = append(team, m)
	}
	return team, nil
}

func (p *Provisioner) members(ctx context.Context, in Input) ([]string, error) {
	users, err := p.directory.Members(ctx, in.Team)
	switch {
	case err != nil:
		return nil, err
	case len(users) == 0:
		return nil, fault.New(fault.Invalid, "the team %s has no members", in.Team)
	case len(users) > membersLimit:
		return nil, fault.New(fault.Invalid, "the team %s has more than %d members", in.Team, membersLimit)
	}
	return users, nil
}

// withdraw ends the key first, because it is what opens something.
func (p *Provisioner) withdraw(ctx context.Context, call *activities.Call, in Input, _ Output, why string) error {
	in = in.withDefaults()
	var team []okta.Membership
	if began, err := call.Recall(ctx, granted, &team); err != nil || !began {
		return err
	}
	errs := []error{p.keys.Revoke(ctx, call, in.key(), why)}
	for _, m := range team {
		errs = append(errs, p.groups.Remove(ctx, call, m, why))
	}
	return worst(errs)
}

// worst gives the error that decides what happens next: while one can still be helped by another try,
// that one; the others are tried again with it.
func worst(errs []error) error {
	var final error
	for _, err := range errs {
		if err != nil && !fault.KindOf(err).Final() {
			return err
		}
		final = errors.Join(final, err)
	}
	return final
}

// check looks at the key and at everybody who was added.
func (p *Provisioner) check(ctx context.Context, call *activities.Call, in Input, _ Output) (activities.Standing, error) {
	in = in.withDefaults()
	var team []okta.Membership
	if _, err := call.Recall(ctx, granted, &team); err != nil {
		return activities.Standing{}, err
	}
	all, err := p.keys.Check(ctx, call, in.key())
	if err != nil {
		return activities.Standing{}, err
	}
	for _, m := range team {
		one, err := p.groups.Check(ctx, call, m)
		if err != nil {
			return activities.Standing{}, err
		}
		all = all.With(one)
	}
	return all, nil
}

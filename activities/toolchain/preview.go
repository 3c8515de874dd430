package toolchain

import (
	"context"
	"fmt"
	"strings"

	"github.com/gildway/gildway/activities"
)

func preview(_ context.Context, call *activities.Call, in Input) (activities.Preview[Output], error) {
	in = in.withDefaults()
	return activities.Preview[Output]{
		Would: []string{
			fmt.Sprintf("add the members of %s to the Okta group %s%s", in.Team, in.Group, call.Lasting()),
			fmt.Sprintf("make a key for %s in Vault, for %s to collect once", in.Tool, call.Run.Requester.Ref),
		},
		Output: Output{Group: in.Group, Members: []string{}},
	}, nil
}

// looksAt bounds how many members of a team are looked at.
const looksAt = 20

func (p *Provisioner) foresee(ctx context.Context, _ *activities.Call, in Input) (would []string, err error) {
	in = in.withDefaults()
	if activities.StandsIn(in.Team) {
		return nil, nil
	}
	users, err := p.members(ctx, in)
	if err != nil {
		return nil, err
	}
	would = []string{fmt.Sprintf("find %d in the team: %s", len(users), strings.Join(users, ", "))}
	for _, user := range users[:min(len(users), looksAt)] {
		met, err := p.groups.Foresee(ctx, in.Group, user)
		if err != nil {
			return would, err
		}
		would = append(would, met...)
	}
	return would, nil
}

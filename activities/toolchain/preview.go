package toolchain

import (
	"context"
	"fmt"

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

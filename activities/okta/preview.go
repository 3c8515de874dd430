package okta

import (
	"context"
	"fmt"

	"github.com/gildway/gildway/activities"
)

func preview(_ context.Context, call *activities.Call, in AddInput) (activities.Preview[Membership], error) {
	return activities.Preview[Membership]{
		Would:  []string{fmt.Sprintf("add %s to the Okta group %s%s, unless they are in it", in.user(call), in.Group, call.Lasting())},
		Output: Membership{Group: in.Group, Login: in.user(call), User: in.user(call)},
	}, nil
}

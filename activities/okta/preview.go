package okta

import (
	"context"
	"fmt"

	"github.com/gildway/gildway/activities"
)

func preview(_ context.Context, call *activities.Call, in AddInput) (activities.Preview[Membership], error) {
	return activities.Preview[Membership]{
		Would:  []string{fmt.Sprintf("add %s to the Okta group %s%s, unless they are in it", in.user(call), in.Group, call.Lasting())},
		Output: Membership{Group: in.Group, Login: in.user(call), User: in.grantee(call)},
	}, nil
}

// Foresee says what adding a user to a group would meet: that they are in it, or what it would fail with.
func (c *Client) Foresee(ctx context.Context, group, user string) ([]string, error) {
	if activities.StandsIn(group) || activities.StandsIn(user) {
		return nil, nil
	}
	m, err := c.Find(ctx, group, user)
	if err != nil {
		return nil, err
	}
	there, err := c.isMember(ctx, m.GroupID, m.UserID)
	if err != nil || !there {
		return nil, err
	}
	return []string{fmt.Sprintf("find %s in the Okta group %s already", m.Login, m.Group)}, nil
}

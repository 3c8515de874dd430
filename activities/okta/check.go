package okta

import (
	"context"
	"errors"
	"net/url"
	"slices"

	sdk "github.com/okta/okta-sdk-golang/v2/okta"
	"github.com/okta/okta-sdk-golang/v2/okta/query"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Check looks whether a membership is there, and who else is in its group that no run has put there.
func (c *Client) Check(ctx context.Context, call *activities.Call, m Membership) (activities.Standing, error) {
	seen, err := call.Look(ctx, circle(m), func(ctx context.Context) (any, error) { return c.survey(ctx, call, m) })
	if errors.Is(err, fault.NotFound) {
		return activities.Standing{Drift: activities.Gone, Says: "the Okta group " + m.Group + " is not there any more"}, nil
	}
	if err != nil {
		return activities.Standing{}, err
	}
	group := seen.(survey)
	standing := activities.Standing{Circles: []activities.Circle{{ID: circle(m), Strangers: group.strangers}}}
	if !slices.Contains(group.members, m.UserID) {
		standing.Drift, standing.Says = activities.Gone, m.Login+" is not in the Okta group "+m.Group+" any more"
	}
	return standing, nil
}

// circle names a group among what several people are in.
func circle(m Membership) string { return "okta/" + m.GroupID + "/" }

// survey is who is in a group.
type survey struct {
	members   []string // their ids
	strangers []activities.Stranger
}

// survey reads the holds before and after the members: one that is just being made or taken back is among either.
func (c *Client) survey(ctx context.Context, call *activities.Call, m Membership) (s survey, err error) {
	held, err := call.Holds.Held(ctx, circle(m))
	if err != nil {
		return s, err
	}
	var found []Membership
	err = c.members(ctx, m.GroupID, func(u *sdk.User) bool {
		s.members = append(s.members, u.Id)
		found = append(found, Membership{GroupID: m.GroupID, UserID: u.Id, Login: loginOf(u)})
		return true
	})
	if err != nil {
		return s, err
	}
	after, err := call.Holds.Held(ctx, circle(m))
	if err != nil {
		return s, err
	}
	held = append(held, after...)
	for _, f := range found {
		if !slices.Contains(held, resource(f)) {
			s.strangers = append(s.strangers, activities.Stranger{
				Resource: resource(f), Says: f.Login + " is in the Okta group " + m.Group + ", and no run has granted that",
			})
		}
	}
	return s, nil
}

// members calls each for every member of a group until it returns false.
func (c *Client) members(ctx context.Context, groupID string, each func(*sdk.User) bool) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	page, answer, err := client.Group.ListGroupUsers(ctx, url.PathEscape(groupID), query.NewQueryParams(query.WithLimit(pageSize)))
	return pages(ctx, page, answer, err, each)
}

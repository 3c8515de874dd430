package okta

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// Membership is a user in a group.
type Membership struct {
	GroupID string `json:"groupId"`
	Group   string `json:"group" jsonschema_description:"The group's name."`
	UserID  string `json:"userId"`
	Login   string `json:"login"`
	User    string `json:"user,omitempty" jsonschema_description:"Whom the step named: a canonical user ref or a login."`
}

// wasMember names the memory of whether the user was in the group before our effect: only what we
// added is ever removed. One call can add several users.
func wasMember(m Membership) string { return "wasMember/" + m.GroupID + "/" + m.UserID }

// resource names the membership among those that several grants can need at once.
func resource(m Membership) string { return "okta/" + m.GroupID + "/" + m.UserID }

// Find looks up a group, by name or id, and a user, by ref or login, without changing anything.
func (c *Client) Find(ctx context.Context, group, user string) (Membership, error) {
	name := user
	if !strings.Contains(user, "@") {
		if c.directory == nil {
			return Membership{}, fault.New(fault.Invalid, "no catalog is configured that knows %s", user)
		}
		var err error
		if name, err = c.directory.Email(ctx, user); err != nil {
			return Membership{}, err
		}
	}
	g, err := c.group(ctx, group)
	if err != nil {
		return Membership{}, err
	}
	u, err := c.user(ctx, name)
	if err != nil {
		return Membership{}, err
	}
	m := Membership{GroupID: g.Id, UserID: u.Id, Login: loginOf(u)}
	if g.Profile != nil {
		m.Group = g.Profile.Name
	}
	return m, nil
}

// Add makes the membership exist and proves it by reading it back.
func (c *Client) Add(ctx context.Context, call *activities.Call, m Membership) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	var before bool
	err = call.Once(ctx, wasMember(m), &before, func(ctx context.Context) (any, error) {
		return c.isMember(ctx, m.GroupID, m.UserID)
	})
	if err != nil {
		return err
	}
	ours, err := call.Holds.Hold(ctx, resource(m), call.Key, before)
	if err != nil {
		return err
	}
	if before && !ours {
		call.Log("%s is in the Okta group %s already", m.Login, m.Group)
		return nil
	}
	if there, err := c.isMember(ctx, m.GroupID, m.UserID); err != nil {
		return err
	} else if !there {
		if _, err := client.Group.AddUserToGroup(ctx, url.PathEscape(m.GroupID), url.PathEscape(m.UserID)); err != nil {
			return typed(err)
		}
		if there, err = c.isMember(ctx, m.GroupID, m.UserID); err != nil {
			return err
		} else if !there {
			return fault.New(fault.Unavailable, "Okta does not show %s in the group %s yet", m.Login, m.Group)
		}
	}
	if before {
		call.Log("%s is in the Okta group %s by another grant, which may end earlier", m.Login, m.Group)
	} else {
		call.Log("Added %s to the Okta group %s", m.Login, m.Group)
	}
	return nil
}

// Remove takes the membership back if a grant of ours made it and no other needs it. What is gone already is no error.
func (c *Client) Remove(ctx context.Context, call *activities.Call, m Membership, why string) error {
	h, err := call.Holds.LetGo(ctx, resource(m), call.Key)
	if err != nil {
		return err
	}
	ours := h.Ours
	if !h.Held { // never done, undone before, or by an older release
		var before bool
		done, err := call.Recall(ctx, wasMember(m), &before)
		if err != nil || !done {
			return err
		}
		ours = !before
	}
	switch {
	case !ours:
		call.Log("%s stays in the Okta group %s: the run found them there", m.Login, m.Group)
		return nil
	case !h.Last:
		call.Log("%s stays in the Okta group %s: another grant needs it", m.Login, m.Group)
		return nil
	}
	if err := c.remove(ctx, m); err != nil {
		return err
	}
	call.Log("Removed %s from the Okta group %s: %s", m.Login, m.Group, why)
	return call.Holds.Gone(ctx, resource(m), call.Key)
}

// remove makes the membership be gone and proves it by reading it back.
func (c *Client) remove(ctx context.Context, m Membership) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	there, err := c.isMember(ctx, m.GroupID, m.UserID)
	if errors.Is(err, fault.NotFound) || err == nil && !there {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = client.Group.RemoveUserFromGroup(ctx, url.PathEscape(m.GroupID), url.PathEscape(m.UserID))
	if err != nil && !errors.Is(err, fault.NotFound) {
		return typed(err)
	}
	there, err = c.isMember(ctx, m.GroupID, m.UserID)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	if there {
		return fault.New(fault.Unavailable, "Okta still shows %s in the group %s", m.Login, m.Group)
	}
	return nil
}

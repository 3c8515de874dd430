package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
)

const (
	groupsLimit = 500 // groups of one user; more is a broken catalog
	pageSize    = 200
)

// person is what of users and groups the directory reads.
type person struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		MemberOf []string `json:"memberOf"`
		Members  []string `json:"members"`
		Parent   string   `json:"parent"`
		Children []string `json:"children"`
		Profile  struct {
			Email string `json:"email"`
		} `json:"profile"`
	} `json:"spec"`
	Relations []struct {
		Type      string `json:"type"`
		TargetRef string `json:"targetRef"`
	} `json:"relations"`
}

func (p person) ref() (plan.EntityRef, error) {
	name := p.Metadata.Name
	if p.Metadata.Namespace != "" {
		name = p.Metadata.Namespace + "/" + name
	}
	return plan.ParseEntityRef(name, strings.ToLower(p.Kind))
}

// related gives the refs that a relation and the spec name, in canonical form. What isn't a ref is left out.
func (p person) related(relation, kind string, spec ...string) []plan.EntityRef {
	named := spec
	for _, r := range p.Relations {
		if r.Type == relation {
			named = append(named, r.TargetRef)
		}
	}
	var refs []plan.EntityRef
	for _, s := range named {
		// A name without namespace means one in the namespace of the entity that says it.
		if _, rest, found := strings.Cut(s, ":"); !strings.Contains(s, "/") && p.Metadata.Namespace != "" {
			if found {
				s = s[:len(s)-len(rest)] + p.Metadata.Namespace + "/" + rest
			} else {
				s = p.Metadata.Namespace + "/" + s
			}
		}
		ref, err := plan.ParseEntityRef(s, kind)
		if err == nil && ref.Kind == kind && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

func (c *Client) person(ctx context.Context, ref plan.EntityRef) (person, error) {
	raw, err := c.Entity(ctx, ref)
	if err != nil {
		return person{}, err
	}
	var p person
	if err := json.Unmarshal(raw, &p); err != nil {
		return person{}, fault.Wrap(fault.Conflict, err, "the catalog's entity %s is malformed", ref)
	}
	return p, nil
}

// Groups gives the canonical refs of the groups a user is in, directly or through a parent group, sorted.
func (c *Client) Groups(ctx context.Context, userRef string) ([]string, error) {
	ref, err := parseRef(userRef, "user")
	if err != nil {
		return nil, err
	}
	user, err := c.person(ctx, ref)
	if err != nil {
		return nil, err
	}
	next := user.related("memberOf", "group", user.Spec.MemberOf...)
	seen := map[plan.EntityRef]bool{}
	for len(next) > 0 {
		group := next[0]
		next = next[1:]
		if seen[group] {
			continue
		}
		if len(seen) == groupsLimit {
			return nil, fault.New(fault.Conflict, "%s is in more than %d groups", ref, groupsLimit)
		}
		g, err := c.person(ctx, group)
		if errors.Is(err, fault.NotFound) {
			continue // a membership in a group that does not exist admits nobody
		}
		if err != nil {
			return nil, err
		}
		seen[group] = true
		var parents []string
		if g.Spec.Parent != "" {
			parents = append(parents, g.Spec.Parent)
		}
		next = append(next, g.related("childOf", "group", parents...)...)
	}
	refs := make([]string, 0, len(seen))
	for group := range seen {
		refs = append(refs, group.String())
	}
	slices.Sort(refs)
	return refs, nil
}

// Members gives the canonical refs of the users that are directly in a group, sorted.
func (c *Client) Members(ctx context.Context, groupRef string) ([]string, error) {
	ref, err := parseRef(groupRef, "group")
	if err != nil {
		return nil, err
	}
	group, err := c.person(ctx, ref)
	if err != nil {
		return nil, err
	}
	members := map[string]bool{}
	if err := c.addMembers(ctx, ref, group, members); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(members)), nil
}

// Everybody gives the canonical refs of the users in a group and in the groups below it, sorted.
func (c *Client) Everybody(ctx context.Context, groupRef string) ([]string, error) {
	top, err := parseRef(groupRef, "group")
	if err != nil {
		return nil, err
	}
	people, seen := map[string]bool{}, map[plan.EntityRef]bool{}
	for next := []plan.EntityRef{top}; len(next) > 0; next = next[1:] {
		ref := next[0]
		if seen[ref] {
			continue
		}
		if len(seen) == groupsLimit {
			return nil, fault.New(fault.Conflict, "%s has more than %d groups below it", top, groupsLimit)
		}
		seen[ref] = true
		group, err := c.person(ctx, ref)
		if errors.Is(err, fault.NotFound) && ref != top {
			continue // nobody is in it
		}
		if err == nil {
			err = c.addMembers(ctx, ref, group, people)
		}
		if err != nil {
			return nil, err
		}
		next = append(next, group.related("parentOf", "group", group.Spec.Children...)...)
	}
	return slices.Sorted(maps.Keys(people)), nil
}

// addMembers adds the canonical refs of the users that are directly in a group.
func (c *Client) addMembers(ctx context.Context, ref plan.EntityRef, group person, members map[string]bool) error {
	for _, user := range group.related("hasMember", "user", group.Spec.Members...) {
		members[user.String()] = true
	}
	query := url.Values{"filter": {"kind=user,relations.memberOf=" + ref.String()}, "limit": {strconv.Itoa(pageSize)}}
	for seen := map[string]bool{}; ; {
		var page struct {
			Items    []person `json:"items"`
			PageInfo struct {
				NextCursor string `json:"nextCursor"`
			} `json:"pageInfo"`
		}
		if err := c.call(ctx, http.MethodGet, "/entities/by-query", query, nil, &page); err != nil {
			return err
		}
		for _, p := range page.Items {
			// An answer is only believed as far as it proves what was asked for.
			if user, err := p.ref(); err == nil && slices.Contains(p.related("memberOf", "group", p.Spec.MemberOf...), ref) {
				members[user.String()] = true
			}
		}
		cursor := page.PageInfo.NextCursor
		if cursor == "" || seen[cursor] {
			return nil
		}
		seen[cursor] = true
		query = url.Values{"cursor": {cursor}, "limit": {strconv.Itoa(pageSize)}}
	}
}

// Email gives the address of a user or group as the catalog's profile has it. Without one it is a NotFound fault.
func (c *Client) Email(ctx context.Context, userRef string) (string, error) {
	ref, err := parseRef(userRef, "user")
	if err != nil {
		return "", err
	}
	user, err := c.person(ctx, ref)
	if err != nil {
		return "", err
	}
	if user.Spec.Profile.Email == "" {
		return "", fault.New(fault.NotFound, "the catalog has no e-mail address for %s", ref)
	}
	return user.Spec.Profile.Email, nil
}

func parseRef(s, kind string) (plan.EntityRef, error) {
	ref, err := plan.ParseEntityRef(s, kind)
	if err != nil {
		return ref, fault.New(fault.Invalid, "%s", err)
	}
	return ref, nil
}

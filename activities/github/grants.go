package github

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/fault"
)

// accountName is a login or the slug of a team; logins of managed users have a _.
var accountName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$`)

// grantee is a user, or a team of the repository's organization.
type grantee struct {
	name string
	team bool
}

// admin is who `access` gives the repository to; no name for nobody but its owner.
func (in PublishInput) admin(t target) (who grantee, err error) {
	rest, team := strings.CutPrefix(in.Access, t.owner+"/")
	switch {
	case in.Access == "" || in.Access == t.owner:
		return who, nil
	case team:
		who.name, _, _ = strings.Cut(rest, "/")
		who.team = true
	default:
		who.name = in.Access
	}
	if !accountName.MatchString(who.name) {
		return who, fault.New(fault.Invalid, "access names neither a user nor a team; write a login, or %s/my-team", t.owner)
	}
	return who, nil
}

func (c Collaborator) grantee() grantee {
	if c.User != "" {
		return grantee{name: afterRef(c.User)}
	}
	return grantee{name: afterRef(c.Team), team: true}
}

// afterRef is the last part of an entity ref.
func afterRef(ref string) string { return ref[strings.LastIndexAny(ref, ":/")+1:] }

// known fails for a grantee that GitHub doesn't show.
func (s *session) known(ctx context.Context, who grantee) error {
	var err error
	what := "user"
	switch {
	case who.name == "":
		return nil
	case who.team:
		what = "team of " + s.owner
		_, _, err = s.api.Teams.GetTeamBySlug(ctx, s.owner, who.name)
	default:
		_, _, err = s.api.Users.Get(ctx, who.name)
	}
	if errors.Is(err, fault.NotFound) {
		return fault.Wrap(fault.NotFound, err, "access goes to %s, but GitHub shows our credential no %s of that name", who.name, what)
	}
	return typed(err)
}

// grant gives access. Giving it again changes nothing.
func (s *session) grant(ctx context.Context, who grantee, access string) (err error) {
	if !accountName.MatchString(who.name) { // it becomes a path
		return fault.New(fault.Invalid, "that is no name of a user or team")
	}
	if who.team {
		_, err = s.api.Teams.AddTeamRepoBySlug(ctx, s.owner, who.name, s.owner, s.repo, &github.TeamAddTeamRepoOptions{Permission: access})
	} else {
		_, _, err = s.api.Repositories.AddCollaborator(ctx, s.owner, s.repo, who.name, &github.RepositoryAddCollaboratorOptions{Permission: access})
	}
	return typed(err)
}

// admit gives people and teams their access: whom `access` names it must, of the collaborators whom it can.
func (s *session) admit(ctx context.Context, call *activities.Call, in PublishInput) error {
	admin, err := in.admin(s.target)
	if err != nil {
		return err
	}
	if admin.name != "" {
		if err := s.grant(ctx, admin, "admin"); err != nil {
			return explained(err, "%s can't be given admin access to %s", admin.name, s)
		}
	}
	for _, c := range in.Collaborators {
		who := c.grantee()
		if err := warn(call, s.grant(ctx, who, c.Access), fmt.Sprintf("Skipping %s access for %s", c.Access, who.name)); err != nil {
			return err
		}
	}
	return nil
}

// explained says what a final refusal means for the repository.
func explained(err error, format string, args ...any) error {
	f := fault.From(typed(err))
	if !f.Kind.Final() {
		return f
	}
	return fault.Wrap(f.Kind, f, "%s: %s", fmt.Sprintf(format, args...), f.Public)
}

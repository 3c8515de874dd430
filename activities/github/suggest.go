package github

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/go-github/v84/github"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Bounds of what a form field waits for and shows.
const (
	suggestionsPage  = 100
	suggestionsPages = 10
	suggestionsTime  = 15 * time.Second
)

// Suggester tells what somebody sees on GitHub, with a credential of their own.
type Suggester struct{ hosts map[string]Host }

// NewSuggester makes a suggester. The tokens of the hosts are not used.
func NewSuggester(hosts map[string]Host) *Suggester { return &Suggester{hosts} }

// Suggest lists names as Backstage's GitHub module does: the resources repositoriesWithOwner, owners, and branches,
// which needs owner and repository. `host` is github.com unless it is given. It gives a thousand at most. What GitHub
// refuses is a fault with GitHub's words.
func (s *Suggester) Suggest(ctx context.Context, resource string, token secrets.Secret, given map[string]string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, suggestionsTime)
	defer cancel()
	name := cmp.Or(given["host"], "github.com")
	host, known := s.hosts[name]
	if !known {
		return nil, fault.New(fault.Invalid, "No integration for host %s", name)
	}
	at := session{target: target{host: name, owner: given["owner"], repo: given["repository"]}, http: http.DefaultClient}
	host.Token = token
	if err := at.connect(host); err != nil {
		return nil, err
	}
	var names []string
	var err error
	switch resource {
	case "repositoriesWithOwner":
		names, err = paged(func(o github.ListOptions) ([]*github.Repository, *github.Response, error) {
			return at.api.Repositories.ListByAuthenticatedUser(ctx, &github.RepositoryListByAuthenticatedUserOptions{ListOptions: o})
		}, (*github.Repository).GetFullName)
	case "branches":
		if !ownerName.MatchString(at.owner) || !repoName.MatchString(at.repo) { // they become a path
			return nil, fault.New(fault.Invalid, "Missing owner and/or repository context parameter")
		}
		names, err = paged(func(o github.ListOptions) ([]*github.Branch, *github.Response, error) {
			return at.api.Repositories.ListBranches(ctx, at.owner, at.repo, &github.BranchListOptions{ListOptions: o})
		}, (*github.Branch).GetName)
	case "owners":
		names, err = paged(func(o github.ListOptions) ([]*github.Organization, *github.Response, error) {
			return at.api.Organizations.List(ctx, "", &o)
		}, (*github.Organization).GetLogin)
	default:
		return nil, fault.New(fault.Invalid, "Invalid resource: %s", resource)
	}
	return names, refused(err)
}

// paged reads as many pages as a form can show.
func paged[T any](list func(github.ListOptions) ([]T, *github.Response, error), name func(T) string) ([]string, error) {
	names := []string{}
	options := github.ListOptions{PerPage: suggestionsPage}
	for range suggestionsPages {
		some, answer, err := list(options)
		if err != nil {
			return nil, err
		}
		for _, one := range some {
			names = append(names, name(one))
		}
		if answer.NextPage == 0 {
			break
		}
		options.Page = answer.NextPage
	}
	return names, nil
}

// refused is GitHub's answer as Backstage passes it on: its status and its words.
func refused(err error) error {
	var said *github.ErrorResponse
	var limited *github.RateLimitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return &fault.Error{Kind: fault.RateLimited, Name: "HttpError", Public: limited.Message, RetryAfter: time.Until(limited.Rate.Reset.Time), Cause: err}
	case !errors.As(err, &said):
		return fault.Wrap(fault.Unavailable, err, "GitHub does not answer")
	}
	kind := fault.Unavailable
	switch said.Response.StatusCode {
	case http.StatusUnauthorized:
		kind = fault.Unauthenticated
	case http.StatusForbidden:
		kind = fault.Denied
	case http.StatusNotFound:
		kind = fault.NotFound
	}
	return &fault.Error{Kind: kind, Name: "HttpError", Public: said.Message, Cause: err}
}

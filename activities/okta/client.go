// Package okta grants and takes back memberships in Okta groups.
package okta

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	sdk "github.com/okta/okta-sdk-golang/v2/okta"
	"github.com/okta/okta-sdk-golang/v2/okta/query"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says which Okta organization to work in.
type Config struct {
	URL   string // e.g. https://acme.okta.com; http is accepted on loopback only
	Token secrets.Secret
}

// Directory knows people's addresses, which are their Okta logins. A catalog implements it.
type Directory interface {
	// Email gives the address of a user entity; a NotFound fault if there is none.
	Email(ctx context.Context, userRef string) (string, error)
}

// Client works with groups. It connects when it is first used.
type Client struct {
	config    Config
	directory Directory
	connect   func() (*sdk.Client, error)
}

// New makes a client. The zero Config and a nil directory are good for declarations only.
func New(config Config, directory Directory) *Client {
	c := &Client{config: config, directory: directory}
	c.connect = sync.OnceValues(c.open)
	return c
}

func (c *Client) open() (*sdk.Client, error) {
	if c.config.URL == "" {
		return nil, fault.New(fault.Invalid, "no Okta is configured; set okta.url")
	}
	// The SDK reads files and OKTA_CLIENT_ variables first; what is set here stands over them.
	_, client, err := sdk.NewClient(context.Background(),
		sdk.WithOrgUrl(strings.TrimSuffix(c.config.URL, "/")),
		sdk.WithToken(c.config.Token.Reveal()),
		sdk.WithAuthorizationMode("SSWS"),
		sdk.WithCache(false),
		sdk.WithRateLimitMaxRetries(0),
		sdk.WithRequestTimeout(30),
		sdk.WithTestingDisableHttpsCheck(onLoopback(c.config.URL)),
		sdk.WithHttpClientPtr(&http.Client{Transport: fault.Provider{Name: "Okta"}, Timeout: 30 * time.Second}),
	)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the Okta configuration is not valid; check okta.url and okta.token")
	}
	return client, nil
}

func onLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

const (
	pageSize = 200
	maxPages = 500 // of a list: a hundred thousand members
)

var (
	groupID = regexp.MustCompile(`^00g[0-9A-Za-z]{8,29}$`)
	login   = regexp.MustCompile(`^[A-Za-z0-9.!#$&'*+=^_{|}~-]{1,100}@[A-Za-z0-9.-]{1,150}$`)
)

// group finds a group by id or by its exact name.
func (c *Client) group(ctx context.Context, nameOrID string) (*sdk.Group, error) {
	client, err := c.connect()
	if err != nil {
		return nil, err
	}
	if groupID.MatchString(nameOrID) {
		g, _, err := client.Group.GetGroup(ctx, nameOrID)
		if err == nil || !errors.Is(err, fault.NotFound) {
			return g, typed(err)
		}
	}
	var found []*sdk.Group
	// q matches beginnings and pages; only an equal name is the group.
	page, answer, err := client.Group.ListGroups(ctx, query.NewQueryParams(query.WithQ(nameOrID), query.WithLimit(pageSize)))
	err = pages(ctx, page, answer, err, func(g *sdk.Group) bool {
		if g.Profile != nil && g.Profile.Name == nameOrID {
			found = append(found, g)
		}
		return true
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fault.New(fault.NotFound, "Okta has no group %q", nameOrID)
	case len(found) > 1:
		return nil, fault.New(fault.Conflict, "Okta has several groups named %q; give the id instead", nameOrID)
	}
	return found[0], nil
}

// user finds an account by its full login.
func (c *Client) user(ctx context.Context, name string) (*sdk.User, error) {
	client, err := c.connect()
	if err != nil {
		return nil, err
	}
	if !login.MatchString(name) {
		return nil, fault.New(fault.Invalid, "%q is not an Okta login", name)
	}
	u, _, err := client.User.GetUser(ctx, url.PathEscape(name))
	if errors.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.NotFound, err, "Okta has no user %s", name)
	}
	if err != nil {
		return nil, typed(err)
	}
	if !strings.EqualFold(loginOf(u), name) { // a short name would match, too
		return nil, fault.New(fault.NotFound, "Okta has no user with the login %s", name)
	}
	return u, nil
}

func loginOf(u *sdk.User) string {
	if u == nil || u.Profile == nil {
		return ""
	}
	s, _ := (*u.Profile)["login"].(string)
	return s
}

// isMember reads the group's members.
func (c *Client) isMember(ctx context.Context, groupID, userID string) (bool, error) {
	found := false
	err := c.members(ctx, groupID, func(u *sdk.User) bool {
		found = u.Id == userID
		return !found
	})
	return found, err
}

// pages calls each for every item until it returns false. It ends even when a proxy has joined the Link
// headers, after which the SDK takes each page for its own successor.
func pages[T any](ctx context.Context, page []T, answer *sdk.Response, err error, each func(T) bool) error {
	seen := map[string]bool{}
	for range maxPages {
		if err != nil {
			return typed(err)
		}
		for _, item := range page {
			if !each(item) {
				return nil
			}
		}
		if !answer.HasNextPage() {
			return nil
		}
		if seen[answer.NextPage] {
			return fault.New(fault.Conflict, "Okta's list goes in a circle; check the proxy's Link headers")
		}
		seen[answer.NextPage] = true
		page = nil
		answer, err = answer.Next(ctx, &page)
	}
	return fault.New(fault.Conflict, "Okta's list is longer than %d pages", maxPages)
}

// typed makes sure that what comes out of the SDK is a fault.
func typed(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "Okta's answer can't be read")
}

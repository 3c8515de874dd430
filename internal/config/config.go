// Package config is what an operator can set: one YAML file, with every key overridable from the
// environment, read strictly and checked as a whole before anything starts.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/gildway/gildway/internal/secrets"
)

// Config is the content of gildway.yaml. The API reads all of it but the providers' credentials, the
// worker all but the signing key: give each role a file with what it needs.
type Config struct {
	Listen    string     `koanf:"listen"` // host:port of the API
	Database  Database   `koanf:"database"`
	Temporal  Temporal   `koanf:"temporal"`
	Workspace Workspace  `koanf:"workspace"`
	Auth      Auth       `koanf:"auth"`
	Approvals Approvals  `koanf:"approvals"`
	Vault     Vault      `koanf:"vault"`
	Catalog   Catalog    `koanf:"catalog"`
	GitHub    []GitHub   `koanf:"github"`
	Okta      Okta       `koanf:"okta"`
	ITSM      ServiceNow `koanf:"servicenow"`

	GitLab          []GitLab          `koanf:"gitlab"`
	BitbucketCloud  []BitbucketCloud  `koanf:"bitbucketCloud"`
	BitbucketServer []BitbucketServer `koanf:"bitbucketServer"`
	Gitea           []Gitea           `koanf:"gitea"`
	Reading         Reading           `koanf:"reading"`

	DefaultEnvironment DefaultEnvironment `koanf:"defaultEnvironment"`
	Templating         Templating         `koanf:"templating"`
	CORS               CORS               `koanf:"cors"`
	Templates          Templates          `koanf:"templates"`

	Notifications Notifications `koanf:"notifications"`

	// PublicURL is where people reach this Gildway, e.g. https://gildway.acme.com. Links to approvals are
	// under it; without it they are paths.
	PublicURL string `koanf:"publicUrl"`
	// PortalURL is where people see their tasks, if they do so in a Backstage, e.g. https://portal.acme.com.
	PortalURL string `koanf:"portalUrl"`
	// ShutdownNotice is how long a server that was asked to stop still serves while /readyz answers 503, e.g. 5s: what the
	// load balancer needs to notice. Default: it stops at once.
	ShutdownNotice string `koanf:"shutdownNotice"`
	Limits         Limits `koanf:"limits"`
	Access         Access `koanf:"access"`
}

// Database is the Postgres server that holds the read model.
type Database struct {
	URL secrets.Secret `koanf:"url"` // postgres://user:password@host:port/database
}

// Temporal is the server that executes runs.
type Temporal struct {
	Address   string `koanf:"address"`   // host:port
	Namespace string `koanf:"namespace"` // default "default"
	UI        string `koanf:"ui"`        // URL of its Web UI, for links; may be empty
}

// RunLink gives the page of a workflow in Temporal's UI; nil if nobody said where that is.
func (t Temporal) RunLink() func(workflow string) string {
	if t.UI == "" {
		return nil
	}
	return func(workflow string) string {
		return strings.TrimSuffix(t.UI, "/") + "/namespaces/" + url.PathEscape(t.Namespace) + "/workflows/" + url.PathEscape(workflow)
	}
}

// Workspace is where the files of runs live.
type Workspace struct {
	URL string `koanf:"url"` // a gocloud.dev/blob URL, e.g. file:///var/lib/gildway/workspace
}

// Approvals hold the two halves of the key that decisions are signed with. The API has the private
// half, the worker needs only the public one: a worker can't approve anything.
type Approvals struct {
	SigningKey string `koanf:"signingKey"` // file, PEM, Ed25519 private key; API only
	VerifyKey  string `koanf:"verifyKey"`  // file, PEM, Ed25519 public key; worker only

	// Links lets people decide by a link made for them alone, without signing in: whoever reads their mail can decide in
	// their place. Default false.
	Links bool `koanf:"links"`
}

// Vault holds minted keys.
type Vault struct {
	Address       string         `koanf:"address"`
	Token         secrets.Secret `koanf:"token"`         // bound to the role's own policy, never root
	Mount         string         `koanf:"mount"`         // KV v2 mount of the teams' keys; default "team-keys"
	HandoverMount string         `koanf:"handoverMount"` // KV v2 mount of keys waiting for their requester; default "gildway-handover"
}

// Catalog is the Backstage catalog that entities are read from and registered in.
type Catalog struct {
	URL   string         `koanf:"url"` // up to and including /api/catalog
	Token secrets.Secret `koanf:"token"`
}

// GitHub is one GitHub host as it appears in repoUrl, and where its API really is.
type GitHub struct {
	Host       string         `koanf:"host"`       // e.g. github.com
	APIBaseURL string         `koanf:"apiBaseUrl"` // e.g. https://api.github.com
	Token      secrets.Secret `koanf:"token"`
}

// Okta is the organisation that group memberships are made in.
type Okta struct {
	URL   string         `koanf:"url"`
	Token secrets.Secret `koanf:"token"` // an SSWS API token
}

// ServiceNow is the instance that tickets are opened in.
type ServiceNow struct {
	URL      string         `koanf:"url"`
	User     string         `koanf:"user"`
	Password secrets.Secret `koanf:"password"`
	Table    string         `koanf:"table"` // default sc_task
}

// Role is what a process does with the configuration.
type Role string

const (
	Server Role = "server"
	Worker Role = "worker"
)

func (c *Config) setDefaults() {
	setDefault(&c.Listen, "127.0.0.1:7780")
	setDefault(&c.Temporal.Namespace, "default")
	setDefault(&c.Vault.Mount, "team-keys")
	setDefault(&c.Vault.HandoverMount, "gildway-handover")
	setDefault(&c.ITSM.Table, "sc_task")
	c.Limits.setDefaults()
	c.Notifications.setDefaults()
	c.Access.setDefaults()
	for i := range c.Auth.Issuers {
		setDefault(&c.Auth.Issuers[i].Type, "backstage")
	}
	for i := range c.BitbucketCloud {
		setDefault(&c.BitbucketCloud[i].Host, "bitbucket.org")
	}
}

func setDefault(s *string, v string) {
	if *s == "" {
		*s = v
	}
}

// Check reports everything that is wrong for a role, at once.
func (c Config) Check(role Role) error {
	var errs []error
	need := func(ok bool, key, why string) {
		if !ok {
			errs = append(errs, fmt.Errorf("  %s: %s", key, why))
		}
	}
	needURL := func(key, v string) {
		u, err := url.Parse(v)
		need(err == nil && u.Scheme != "" && (u.Host != "" || u.Path != ""), key, "must be a URL")
	}
	need(!c.Database.URL.Empty(), "database.url", "is missing; e.g. postgres://gildway:${DB_PASSWORD}@db/gildway")
	_, _, err := net.SplitHostPort(c.Temporal.Address)
	need(err == nil, "temporal.address", "must be host:port, e.g. temporal:7233")
	needURL("catalog.url", c.Catalog.URL)
	needURL("vault.address", c.Vault.Address)
	need(!c.Vault.Token.Empty(), "vault.token", "is missing; it is bound to the role's policy in deploy/vault")
	c.checkHosts(need)
	c.checkServing(need)
	if c.Temporal.UI != "" {
		needURL("temporal.ui", c.Temporal.UI)
	}
	switch role {
	case Server:
		c.checkTemplates(need)
		_, _, err := net.SplitHostPort(c.Listen)
		need(err == nil, "listen", "must be host:port, e.g. 127.0.0.1:7780")
		c.Auth.check(need, needURL)
		c.CORS.check(need)
		c.Limits.check(need)
		c.Access.check(need)
		c.Notifications.check(need)
		told := c.Notifications.Slack.On() || c.Notifications.Email.On()
		need(!told || c.PublicURL != "", "publicUrl", "is missing; the links of notifications lead there")
		need(c.Approvals.SigningKey != "", "approvals.signingKey", "is missing; make one with: openssl genpkey -algorithm ed25519")
	case Worker:
		needURL("workspace.url", c.Workspace.URL)
		need(c.Approvals.VerifyKey != "", "approvals.verifyKey", "is missing; it is the public half of approvals.signingKey")
		for i, h := range c.GitHub {
			key := fmt.Sprintf("github[%d]", i)
			needURL(key+".apiBaseUrl", h.APIBaseURL)
			need(!h.Token.Empty(), key+".token", "is missing")
		}
		if c.Okta.URL != "" {
			needURL("okta.url", c.Okta.URL)
			need(!c.Okta.Token.Empty(), "okta.token", "is missing")
		}
		if c.ITSM.URL != "" {
			needURL("servicenow.url", c.ITSM.URL)
			need(c.ITSM.User != "" && !c.ITSM.Password.Empty(), "servicenow", "needs user and password")
		}
	}
	return errors.Join(errs...)
}

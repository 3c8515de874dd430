package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gildway/gildway/internal/secrets"
)

// GitLab is one GitLab host. Without a token only what is public is read.
type GitLab struct {
	Host       string         `koanf:"host"`       // e.g. gitlab.com
	APIBaseURL string         `koanf:"apiBaseUrl"` // default https://<host>/api/v4
	Token      secrets.Secret `koanf:"token"`
}

// BitbucketCloud is bitbucket.org, read with a token, or with a user and an app password.
type BitbucketCloud struct {
	Host        string         `koanf:"host"`       // default bitbucket.org
	APIBaseURL  string         `koanf:"apiBaseUrl"` // default https://api.bitbucket.org/2.0
	Token       secrets.Secret `koanf:"token"`
	Username    string         `koanf:"username"`
	AppPassword secrets.Secret `koanf:"appPassword"`
}

// BitbucketServer is one Bitbucket Server or Data Center, read with a token, or with a user and a password.
type BitbucketServer struct {
	Host       string         `koanf:"host"`       // e.g. bitbucket.acme.com
	APIBaseURL string         `koanf:"apiBaseUrl"` // default https://<host>/rest/api/1.0
	Token      secrets.Secret `koanf:"token"`
	Username   string         `koanf:"username"`
	Password   secrets.Secret `koanf:"password"`
}

// Gitea is one Gitea host, read with a user and a password; without a user the password is a token.
type Gitea struct {
	Host     string         `koanf:"host"`    // e.g. gitea.acme.com
	BaseURL  string         `koanf:"baseUrl"` // default https://<host>
	Username string         `koanf:"username"`
	Password secrets.Secret `koanf:"password"`
}

// Reading says what may be read beside the hosts that have an integration.
type Reading struct {
	Allow []Allowed `koanf:"allow"`
}

// Allowed is a host of which files may be read over https. One that is named in full may have a private address.
type Allowed struct {
	Host  string   `koanf:"host"`  // with the port, if it isn't 443; "*.example.com" are all hosts below example.com
	Paths []string `koanf:"paths"` // what the paths of URLs must begin with; none: any path
}

// Integration is one configured source code host, whichever list it stands in.
type Integration struct {
	Type       string // github, gitlab, bitbucketCloud, bitbucketServer or gitea, as the lists are called
	Host       string
	APIBaseURL string // "" = where hosts of that type have it
	Username   string // with it Secret is a password, without it a token
	Secret     secrets.Secret
}

// Integrations are all source code hosts, in the order of the lists.
func (c Config) Integrations() (all []Integration) {
	for _, h := range c.GitHub {
		all = append(all, Integration{Type: "github", Host: h.Host, APIBaseURL: h.APIBaseURL, Secret: h.Token})
	}
	for _, h := range c.GitLab {
		all = append(all, Integration{Type: "gitlab", Host: h.Host, APIBaseURL: h.APIBaseURL, Secret: h.Token})
	}
	for _, h := range c.BitbucketCloud {
		secret := h.AppPassword
		if !h.Token.Empty() {
			secret = h.Token // with a user it is an API token, which is a password
		}
		all = append(all, Integration{Type: "bitbucketCloud", Host: h.Host, APIBaseURL: h.APIBaseURL, Username: h.Username, Secret: secret})
	}
	for _, h := range c.BitbucketServer {
		user, secret := h.Username, h.Password
		if !h.Token.Empty() {
			user, secret = "", h.Token
		}
		all = append(all, Integration{Type: "bitbucketServer", Host: h.Host, APIBaseURL: h.APIBaseURL, Username: user, Secret: secret})
	}
	for _, h := range c.Gitea {
		api := h.BaseURL
		if api != "" {
			api = strings.TrimSuffix(api, "/") + "/api/v1"
		}
		all = append(all, Integration{Type: "gitea", Host: h.Host, APIBaseURL: api, Username: h.Username, Secret: h.Password})
	}
	return all
}

// WithoutCredentials is what of a configuration can be lent to a template that anybody may have written: where things are
// read, and nothing to read them with that they would not give to everybody.
func (c Config) WithoutCredentials() Config {
	bare := Config{
		PublicURL: c.PublicURL, Templating: c.Templating, Reading: c.Reading, Catalog: Catalog{URL: c.Catalog.URL},
		DefaultEnvironment: DefaultEnvironment{Parameters: c.DefaultEnvironment.Parameters},
	}
	for _, h := range c.GitHub {
		bare.GitHub = append(bare.GitHub, GitHub{Host: h.Host, APIBaseURL: h.APIBaseURL})
	}
	for _, h := range c.GitLab {
		bare.GitLab = append(bare.GitLab, GitLab{Host: h.Host, APIBaseURL: h.APIBaseURL})
	}
	for _, h := range c.BitbucketCloud {
		bare.BitbucketCloud = append(bare.BitbucketCloud, BitbucketCloud{Host: h.Host, APIBaseURL: h.APIBaseURL})
	}
	for _, h := range c.BitbucketServer {
		bare.BitbucketServer = append(bare.BitbucketServer, BitbucketServer{Host: h.Host, APIBaseURL: h.APIBaseURL})
	}
	for _, h := range c.Gitea {
		bare.Gitea = append(bare.Gitea, Gitea{Host: h.Host, BaseURL: h.BaseURL})
	}
	return bare
}

// Hosts gives the type of every source code host, which is what parseRepoUrl has to know of it.
func (c Config) Hosts() map[string]string {
	types := map[string]string{}
	for _, i := range c.Integrations() {
		types[i.Host] = i.Type
	}
	return types
}

func (c Config) checkHosts(need func(ok bool, key, why string)) {
	nth, known := map[string]int{}, map[string]bool{}
	for _, i := range c.Integrations() {
		key := fmt.Sprintf("%s[%d]", i.Type, nth[i.Type])
		nth[i.Type]++
		need(isHost(i.Host), key+".host", "must be a host as in URLs, e.g. git.acme.com")
		need(!known[i.Host], key+".host", "is configured twice")
		known[i.Host] = true
		api, err := url.Parse(i.APIBaseURL)
		need(i.APIBaseURL == "" || err == nil && api.Host != "" && (api.Scheme == "https" || api.Scheme == "http"), key, "its address must be an http or https URL")
		need(i.Username == "" || !i.Secret.Empty(), key, "has a user and no password or token")
	}
	for i, a := range c.Reading.Allow {
		key := fmt.Sprintf("reading.allow[%d]", i)
		need(isHost(strings.TrimPrefix(a.Host, "*.")), key+".host", `must be a host as in URLs, or "*." and a domain`)
		for _, p := range a.Paths {
			need(strings.HasPrefix(p, "/"), key+".paths", "must begin with a slash")
		}
	}
}

func isHost(host string) bool {
	u, err := url.Parse("https://" + host)
	return err == nil && u.Host == host && host != "" && host == strings.ToLower(host) && !strings.HasSuffix(host, ".") && !strings.Contains(host, "*")
}

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

// Auth says whose tokens count and who may do what.
type Auth struct {
	Issuers  []Issuer       `koanf:"issuers"`
	Plugins  Plugins        `koanf:"plugins"`
	Services []ServiceToken `koanf:"services"`
	Roles    Roles          `koanf:"roles"`
	Policy   string         `koanf:"policy"` // file with the rules beyond the built-in ones; none: everybody runs every template

	// DangerouslyDisableSignIn makes everybody who reaches the API user:default/guest, whatever token they carry.
	DangerouslyDisableSignIn bool `koanf:"dangerouslyDisableSignIn"`
}

// Issuer is one issuer of people's bearer tokens.
type Issuer struct {
	Type     string `koanf:"type"`     // backstage (the default) or oidc
	URL      string `koanf:"url"`      // the `iss` claim
	JWKS     string `koanf:"jwks"`     // where its public keys are, if not where Backstage or the discovery document has them
	Audience string `koanf:"audience"` // the `aud` claim; Backstage's is "backstage"

	UserClaim    string   `koanf:"userClaim"`    // oidc: the claim that names the user; default sub
	UserRef      string   `koanf:"userRef"`      // oidc: the ref made of it, with {value} or {localpart}; default user:default/{value}
	GroupsClaim  string   `koanf:"groupsClaim"`  // oidc: the claim that lists groups; without it the catalog is asked
	GroupRef     string   `koanf:"groupRef"`     // oidc: default group:default/{value}
	EmailDomains []string `koanf:"emailDomains"` // oidc: the domains whose addresses name users
}

// Plugins are the plugins of a Backstage backend that may call.
type Plugins struct {
	URL    string   `koanf:"url"`    // where they are, e.g. https://portal.acme.com/api
	Accept []string `koanf:"accept"` // their ids, e.g. permission
}

// ServiceToken is a program's fixed token, of which only the hash is here, or a Vault reference.
type ServiceToken struct {
	Subject string   `koanf:"subject"` // who it stands for: ci is service:default/ci
	SHA256  string   `koanf:"sha256"`  // of the token, in hex
	Vault   string   `koanf:"vault"`   // or where the token is: <mount>/<path>#<field>
	Only    []string `koanf:"only"`    // what it is good for, of what the policy allows the subject; default all of that
}

// Roles name the groups that may do more than run templates and see their own runs.
type Roles struct {
	Admin   []string `koanf:"admin"`
	Auditor []string `koanf:"auditor"`
}

type needs func(ok bool, key, why string)

func (a Auth) check(need needs, needURL func(key, v string)) {
	someone := len(a.Issuers) > 0 || len(a.Services) > 0 || a.DangerouslyDisableSignIn
	need(someone, "auth.issuers", "needs at least one issuer; without one nobody could sign in")
	for i, iss := range a.Issuers {
		iss.check(need, needURL, fmt.Sprintf("auth.issuers[%d]", i))
	}
	if len(a.Plugins.Accept) > 0 {
		needURL("auth.plugins.url", a.Plugins.URL)
	}
	for i, id := range a.Plugins.Accept {
		wellFormed(need, fmt.Sprintf("auth.plugins.accept[%d]", i), identity.CheckPluginID(id))
	}
	for i, s := range a.Services {
		s.check(need, fmt.Sprintf("auth.services[%d]", i))
	}
	for _, role := range []struct {
		name string
		refs []string
	}{{"admin", a.Roles.Admin}, {"auditor", a.Roles.Auditor}} {
		for i, ref := range role.refs {
			_, err := plan.ParseEntityRef(ref, "group")
			wellFormed(need, fmt.Sprintf("auth.roles.%s[%d]", role.name, i), err)
		}
	}
}

func wellFormed(need needs, key string, err error) {
	if err != nil {
		need(false, key, err.Error())
	}
}

func (i Issuer) check(need needs, needURL func(key, v string), key string) {
	need(i.URL != "" && i.Audience != "", key, "needs url and audience")
	if i.JWKS != "" {
		needURL(key+".jwks", i.JWKS)
	}
	switch i.Type {
	case string(identity.Backstage):
		given := i.UserClaim + i.UserRef + i.GroupsClaim + i.GroupRef + strings.Join(i.EmailDomains, "")
		need(given == "", key, "userClaim, userRef, groupsClaim, groupRef and emailDomains are for type: oidc; Backstage's tokens name entities")
	case string(identity.OIDC):
		if i.UserRef != "" {
			wellFormed(need, key+".userRef", identity.CheckRefTemplate(i.UserRef, "user", "service"))
		}
		if i.GroupRef != "" {
			wellFormed(need, key+".groupRef", identity.CheckRefTemplate(i.GroupRef, "group"))
		}
	default:
		need(false, key+".type", "must be backstage or oidc")
	}
}

var (
	hexSum    = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	vaultRef  = regexp.MustCompile(`^([^/#]+)/([^#]+)#([^#]+)$`)
	separator = regexp.MustCompile(`[:/]`)
)

func (s ServiceToken) check(need needs, key string) {
	_, err := plan.ParseEntityRef(s.Subject, "service")
	need(err == nil && !separator.MatchString(s.Subject), key+".subject", "must be a plain name, e.g. ci")
	need((s.SHA256 == "") != (s.Vault == ""), key, "needs either sha256 or vault; make the first with: printf %s \"$TOKEN\" | sha256sum")
	need(s.SHA256 == "" || hexSum.MatchString(s.SHA256), key+".sha256", "must be the 64 hex digits of a SHA-256 sum, never the token itself")
	need(s.Vault == "" || vaultRef.MatchString(s.Vault), key+".vault", "must be <mount>/<path>#<field>")
	var names []string
	for _, a := range identity.Actions {
		names = append(names, string(a))
	}
	for i, only := range s.Only {
		if !slices.Contains(names, only) {
			why := "must be one of " + strings.Join(names, ", ")
			if meant := nearest.Name(only, names); meant != "" {
				why += "; did you mean " + meant + "?"
			}
			need(false, fmt.Sprintf("%s.only[%d]", key, i), why)
		}
	}
}

// Trust is whose tokens are accepted. Tokens that are in Vault are read by it.
func (a Auth) Trust(fromVault func(mount, path, field string) (secrets.Secret, error)) (identity.Trust, error) {
	trust := identity.Trust{Plugins: identity.Plugins(a.Plugins)}
	for _, i := range a.Issuers {
		trust.Issuers = append(trust.Issuers, identity.Issuer{
			Type: identity.IssuerType(i.Type), URL: i.URL, JWKS: i.JWKS, Audience: i.Audience, UserClaim: i.UserClaim, UserRef: i.UserRef,
			GroupsClaim: i.GroupsClaim, GroupRef: i.GroupRef, EmailDomains: i.EmailDomains,
		})
	}
	for _, s := range a.Services {
		sum := s.SHA256
		if s.Vault != "" {
			at := vaultRef.FindStringSubmatch(s.Vault)
			token, err := fromVault(at[1], at[2], at[3])
			if err != nil {
				return trust, fmt.Errorf("the token of the service %s: %w", s.Subject, err)
			}
			if sum, err = identity.HashToken(token); err != nil {
				return trust, fmt.Errorf("the token of the service %s: %w", s.Subject, err)
			}
		}
		var only []identity.Action
		for _, o := range s.Only {
			only = append(only, identity.Action(o))
		}
		token, err := identity.NewServiceToken("service:default/"+strings.ToLower(s.Subject), sum, only)
		if err != nil {
			return trust, err
		}
		trust.Services = append(trust.Services, token)
	}
	return trust, nil
}

// Rules is the policy that the configuration names.
func (a Auth) Rules() (identity.Policy, error) {
	rules := identity.OpenToEveryone()
	if a.Policy != "" {
		var err error
		if rules, err = identity.OpenRules(a.Policy); err != nil {
			return identity.Policy{}, err
		}
	}
	return identity.NewPolicy(canonical(a.Roles.Admin), canonical(a.Roles.Auditor), rules), nil
}

// canonical writes refs as tokens and the catalog do; they were checked before.
func canonical(refs []string) []string {
	out := make([]string, 0, len(refs))
	for _, r := range refs {
		if ref, err := plan.ParseEntityRef(r, "group"); err == nil {
			out = append(out, ref.String())
		}
	}
	return out
}

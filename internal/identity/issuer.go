package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/plan"
)

// IssuerType says how an issuer's tokens are to be read.
type IssuerType string

const (
	// Backstage issuers sign vnd.backstage.user tokens: the subject is a user ref, `ent` or userinfo names the groups.
	Backstage IssuerType = "backstage"
	// OIDC issuers are all others. Their claims become refs as the issuer's configuration says.
	OIDC IssuerType = "oidc"
)

// Issuer is one authority whose tokens are accepted.
type Issuer struct {
	Type     IssuerType // default Backstage
	URL      string     // the iss claim, exactly
	JWKS     string     // where its public keys are; default: Backstage's place, or what the issuer's discovery document says
	Audience string     // the aud claim must hold it

	// The rest is for OIDC issuers.
	UserClaim    string   // default sub
	UserRef      string   // a template for the ref of whom the token names; default user:default/{value}
	GroupsClaim  string   // a text or a list of texts; "" = the tokens name no groups
	GroupRef     string   // default group:default/{value}
	EmailDomains []string // if given, UserClaim holds a mail address and these are the domains that count
}

func (i *Issuer) complete() error {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	if i.Type == "" {
		i.Type = Backstage
	}
	if i.URL == "" || i.Audience == "" {
		return fmt.Errorf("issuer %q needs a URL and an audience", i.URL)
	}
	switch i.Type {
	case Backstage:
		def(&i.JWKS, strings.TrimSuffix(i.URL, "/")+backstageKeys)
	case OIDC:
		def(&i.UserClaim, "sub")
		def(&i.UserRef, "user:default/{value}")
		def(&i.GroupRef, "group:default/{value}")
		if err := CheckRefTemplate(i.UserRef, string(User), string(Service)); err != nil {
			return err
		}
		return CheckRefTemplate(i.GroupRef, "group")
	default:
		return fmt.Errorf("issuer %q is of an unknown type %q", i.URL, i.Type)
	}
	return nil
}

// backstageKeys is where a Backstage auth backend has its keys.
const backstageKeys = "/.well-known/jwks.json"

// authBase is where a Backstage auth backend can be reached: there where its keys are, which need not be the public
// address that its tokens name.
func (i *Issuer) authBase() string {
	if base, ok := strings.CutSuffix(i.JWKS, backstageKeys); ok {
		return base
	}
	return strings.TrimSuffix(i.URL, "/")
}

// CheckRefTemplate reports a template that could not give a ref of one of the kinds. {value} stands for
// the claim, {localpart} for what is before the @ of a mail address.
func CheckRefTemplate(template string, kinds ...string) error {
	fixed := strings.NewReplacer("{value}", "", "{localpart}", "").Replace(template)
	if fixed == template {
		return fmt.Errorf("%q names the same for everybody; it needs {value} or {localpart}", template)
	}
	kind, rest, _ := strings.Cut(template, ":")
	if !slices.Contains(kinds, kind) || strings.ContainsAny(fixed, "{}") {
		return fmt.Errorf("%q makes no ref; write e.g. %s:default/{value}", template, kinds[0])
	}
	if _, err := plan.ParseEntityRef(kind+":"+strings.NewReplacer("{value}", "x", "{localpart}", "x").Replace(rest), kind); err != nil {
		return err
	}
	return nil
}

// render makes a canonical ref of a claim. What the claim holds can't change the kind or the namespace that the
// template gives.
func render(template, value string) (plan.EntityRef, error) {
	if strings.ContainsAny(value, ":/") {
		return plan.EntityRef{}, fmt.Errorf("%q can't be part of an entity ref", value)
	}
	local, _, _ := strings.Cut(value, "@")
	return plan.ParseEntityRef(strings.NewReplacer("{value}", value, "{localpart}", local).Replace(template), "")
}

// subject reads whom the claims of an OIDC token name.
func (i *Issuer) subject(claims map[string]any) (plan.EntityRef, error) {
	value, _ := claims[i.UserClaim].(string)
	if value == "" {
		return plan.EntityRef{}, fmt.Errorf("the claim %q is missing", i.UserClaim)
	}
	if verified, said := claims["email_verified"].(bool); i.UserClaim == "email" && said && !verified {
		return plan.EntityRef{}, fmt.Errorf("the mail address is not verified")
	}
	if len(i.EmailDomains) > 0 {
		at := strings.LastIndexByte(value, '@')
		if at < 1 || !slices.ContainsFunc(i.EmailDomains, func(d string) bool { return strings.EqualFold(d, value[at+1:]) }) {
			return plan.EntityRef{}, fmt.Errorf("the mail address is of a foreign domain")
		}
	}
	return render(i.UserRef, value)
}

// groups reads the groups that the claims of an OIDC token name; nil if they name none. A name that can't be an
// entity's is left out.
func (i *Issuer) groups(claims map[string]any) (refs []string) {
	var names []any
	switch v := claims[i.GroupsClaim].(type) {
	case string:
		names = []any{v}
	case []any:
		names = v
	}
	for _, name := range names {
		text, _ := name.(string)
		if ref, err := render(i.GroupRef, text); err == nil {
			refs = append(refs, ref.String())
		}
	}
	return refs
}

// ownedGroups are the groups among the refs that a Backstage user is or belongs to.
func ownedGroups(owned []string) (refs []string) {
	for _, o := range owned {
		if ref, err := plan.ParseEntityRef(o, "group"); err == nil && ref.Kind == "group" {
			refs = append(refs, ref.String())
		}
	}
	return refs
}

package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gildway/gildway/internal/fault"
)

// pluginAudience is the id under which Backstage's backend knows us.
const pluginAudience = "scaffolder"

// Plugins are the plugins of a Backstage backend that may call in its name or in a user's.
type Plugins struct {
	URL    string   // where the backend's plugins are, e.g. https://portal.acme.com/api
	Accept []string // plugin ids, e.g. permission; tokens of others are refused
}

var (
	pluginID          = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$`)
	backstagePluginID = regexp.MustCompile(`^(?i)[a-z0-9_-]+$`) // what Backstage lets pass, for its words
)

// CheckPluginID reports an id that can't be a plugin's.
func CheckPluginID(id string) error {
	if !pluginID.MatchString(id) {
		return fmt.Errorf("%q is no plugin id; write e.g. permission", id)
	}
	return nil
}

// keySets has one set for each accepted plugin: no token can make us ask anywhere else.
func (p Plugins) keySets(client *http.Client) (map[string]*keySet, error) {
	sets := map[string]*keySet{}
	for _, id := range p.Accept {
		if err := CheckPluginID(id); err != nil {
			return nil, err
		}
		if p.URL == "" {
			return nil, errors.New("plugins are accepted, and it is not said where their keys are")
		}
		sets[id] = newKeySet(client, strings.TrimSuffix(p.URL, "/")+"/"+id+"/.backstage/auth/v1/jwks.json")
	}
	return sets, nil
}

// plugin reads a token by which one plugin calls another. With `obo` it speaks for that user.
func (v *Verifier) plugin(ctx context.Context, token string, o outline) (Principal, error) {
	if !backstagePluginID.MatchString(o.subject) {
		return Principal{}, refused("Invalid plugin token: forbidden subject format", o.subject)
	}
	keys, accepted := v.plugins[o.subject]
	if !accepted {
		return Principal{}, refused(failedPlugin, "this plugin is not among those accepted")
	}
	var c struct {
		jwt.Claims
		OnBehalfOf string `json:"obo"`
	}
	if err := v.check(ctx, keys, token, failedPlugin, jwt.Expected{AnyAudience: jwt.Audience{pluginAudience}, Subject: o.subject}, &c, &c.Claims); err != nil {
		return Principal{}, err
	}
	if c.OnBehalfOf == "" {
		return Principal{Ref: "plugin:default/" + c.Subject, Kind: Service, Plugin: c.Subject}, nil
	}
	if inner, ok := outlineOf(c.OnBehalfOf); !ok || inner.typ != limitedTokenType {
		return Principal{}, refused("Invalid user token in plugin token obo claim", "not a limited user token")
	}
	user, err := v.limited(ctx, c.OnBehalfOf)
	if err != nil {
		return Principal{}, err
	}
	return Principal{Ref: user, Kind: User, Plugin: c.Subject, Only: passedOn}, nil
}

// passedOn is what a plugin may do in a user's name: whatever the user may, but take keys and decide, which are
// for the person alone.
var passedOn = slices.DeleteFunc(slices.Clone(Actions), func(a Action) bool { return a == Collect || a == Approve })

// limited reads a user token without the rights to sign in: {sub, iat, exp} under a signature of their own. It
// names no issuer, so any Backstage issuer's key may have signed it.
func (v *Verifier) limited(ctx context.Context, token string) (user string, err error) {
	err = refused(failedUser, "no Backstage issuer is configured")
	for _, issuer := range v.issuers {
		if issuer.Type != Backstage {
			continue
		}
		var c jwt.Claims
		found := v.check(ctx, issuer.keys, token, failedUser, jwt.Expected{}, &c, &c)
		if found == nil {
			return userRef(c.Subject)
		}
		if errors.Is(found, fault.Unavailable) || err == nil {
			err = found
		}
	}
	return "", err
}

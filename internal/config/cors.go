package config

import (
	"fmt"
	"net/url"
)

// CORS lets web pages of other origins call the scaffolder API, for portals that are not served through the same host.
// Without origins, none may.
type CORS struct {
	Origins []string `koanf:"origins"` // exact, e.g. https://backstage.example.com
}

func (c CORS) check(need func(ok bool, key, why string)) {
	for i, origin := range c.Origins {
		u, err := url.Parse(origin)
		exact := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Scheme+"://"+u.Host == origin
		need(exact, fmt.Sprintf("cors.origins[%d]", i), "must be an origin such as https://backstage.example.com, without a path and without *")
	}
}

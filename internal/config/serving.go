package config

import (
	"net/url"
	"strings"
	"time"
)

// longestNotice keeps a stop within what schedulers commonly wait for before they kill.
const longestNotice = 2 * time.Minute

// Notice is how long a server still serves after it was asked to stop.
func (c Config) Notice() time.Duration {
	d, _ := time.ParseDuration(c.ShutdownNotice) // Check has read it
	return d
}

func (c Config) checkServing(need func(ok bool, key, why string)) {
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		need(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(u.Path, "/"),
			"publicUrl", "must be an http(s) URL without a slash at its end, e.g. https://gildway.acme.com")
	}
	if c.ShutdownNotice != "" {
		d, err := time.ParseDuration(c.ShutdownNotice)
		need(err == nil && d >= 0 && d <= longestNotice, "shutdownNotice", "must be a duration of at most 2m, e.g. 5s")
	}
}

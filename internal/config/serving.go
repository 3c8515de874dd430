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

// TaskLink is where people see a task.
func (c Config) TaskLink(task string) string {
	if c.PortalURL != "" {
		return c.PortalURL + "/create/tasks/" + url.PathEscape(task)
	}
	return c.PublicURL + "/api/gildway/v1/tasks/" + url.PathEscape(task)
}

func (c Config) checkServing(need func(ok bool, key, why string)) {
	for key, at := range map[string]string{"publicUrl": c.PublicURL, "portalUrl": c.PortalURL} {
		if at == "" {
			continue
		}
		u, err := url.Parse(at)
		need(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(u.Path, "/"),
			key, "must be an http(s) URL without a slash at its end, e.g. https://gildway.acme.com")
	}
	if c.ShutdownNotice != "" {
		d, err := time.ParseDuration(c.ShutdownNotice)
		need(err == nil && d >= 0 && d <= longestNotice, "shutdownNotice", "must be a duration of at most 2m, e.g. 5s")
	}
}

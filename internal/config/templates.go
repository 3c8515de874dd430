package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"time"
)

// Templates say which templates can be run. Of two that have the same name the source named first counts, the shipped
// ones before all.
type Templates struct {
	Golden  bool             `koanf:"golden"`  // the shipped golden paths; default true
	Refresh time.Duration    `koanf:"refresh"` // how often the sources are read; default 5m
	Sources []TemplateSource `koanf:"sources"`
}

// TemplateSource is one of: a folder, a URL, the catalog.
type TemplateSource struct {
	Folder  string `koanf:"folder"`  // of this machine, absolute; every template.yaml below it
	URL     string `koanf:"url"`     // of a folder or template file of a repository, as one opens it in a browser
	Catalog bool   `koanf:"catalog"` // the entities of the kind Template in the configured catalog
}

// Name is what the source is called in problems and metrics.
func (s TemplateSource) Name() string {
	switch {
	case s.Folder != "":
		return "folder:" + s.Folder
	case s.URL != "":
		return "url:" + s.URL
	default:
		return "catalog"
	}
}

const leastRefresh = 10 * time.Second

func defaultTemplates() Templates { return Templates{Golden: true, Refresh: 5 * time.Minute} }

func (c Config) checkTemplates(need func(ok bool, key, why string)) {
	t := c.Templates
	need(t.Golden || len(t.Sources) > 0, "templates", "has no source and leaves out the golden paths; nothing could be run")
	need(t.Refresh >= leastRefresh, "templates.refresh", "must be a duration of at least "+leastRefresh.String()+", e.g. 5m")
	hosts, seen := c.Hosts(), map[string]bool{}
	for i, s := range t.Sources {
		key := fmt.Sprintf("templates.sources[%d]", i)
		given := 0
		for _, is := range []bool{s.Folder != "", s.URL != "", s.Catalog} {
			if is {
				given++
			}
		}
		need(given == 1, key, "must have one of folder, url and catalog: true")
		need(!seen[s.Name()], key, "is configured twice")
		seen[s.Name()] = true
		need(s.Folder == "" || filepath.IsAbs(s.Folder) && filepath.Clean(s.Folder) == s.Folder, key+".folder", "must be an absolute path without . and .. and a slash at its end")
		if s.URL == "" {
			continue
		}
		at, err := url.Parse(s.URL)
		need(err == nil && at.Scheme == "https" && at.Host != "" && at.User == nil, key+".url", "must be an https URL without credentials")
		need(err != nil || hosts[at.Host] != "", key+".url", "needs an integration for its host: github, gitlab, bitbucketCloud, bitbucketServer or gitea")
	}
}

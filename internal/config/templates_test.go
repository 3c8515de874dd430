package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTemplates_DefaultsAndEverySource(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete, Server)
	require.NoError(t, err)
	require.Equal(t, Templates{Golden: true, Refresh: 5 * time.Minute}, c.Templates)

	c, err = load(t, complete+`
templates:
  golden: false
  refresh: 90s
  sources:
    - { folder: /etc/gildway/templates }
    - { url: "https://github.com/acme/templates/tree/main/all" }
    - { catalog: true }
`, Server)
	require.NoError(t, err)
	require.Equal(t, Templates{Refresh: 90 * time.Second, Sources: []TemplateSource{
		{Folder: "/etc/gildway/templates"}, {URL: "https://github.com/acme/templates/tree/main/all"}, {Catalog: true},
	}}, c.Templates)
	require.Equal(t, "folder:/etc/gildway/templates", c.Templates.Sources[0].Name())

	c, err = load(t, complete, Server, "GILDWAY_TEMPLATES_REFRESH=1h")
	require.NoError(t, err)
	require.Equal(t, time.Hour, c.Templates.Refresh)
}

func TestTemplates_AllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(t, complete+`
templates:
  refresh: 1s
  sources:
    - { folder: templates }
    - { url: "http://github.com/acme/templates" }
    - { url: "https://nowhere.example/acme/templates" }
    - { catalog: true }
    - { catalog: true }
    - { catalog: true, folder: /x }
    - { catalog: false }
`, Server)
	for _, want := range []string{
		"templates.refresh: must be a duration of at least 10s", "templates.sources[0].folder: must be an absolute path", "templates.sources[1].url: must be an https URL",
		"templates.sources[2].url: needs an integration", "templates.sources[4]: is configured twice", "templates.sources[5]: must have one of", "templates.sources[6]: must have one of",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "sources[3]")
	_, err = load(t, complete+"templates: { golden: false }\n", Server)
	require.ErrorContains(t, err, "nothing could be run")
	_, err = load(t, complete+"templates: { goldn: false }\n", Server)
	require.ErrorContains(t, err, "did you mean templates.golden?")
}

package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/secrets"
)

func TestIntegrations_EveryList_InOneForm(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete+`
gitlab: [{ host: gitlab.com }, { host: git.acme.com, apiBaseUrl: "https://git.acme.com/gitlab/api/v4", token: l }]
bitbucketCloud: [{ username: u, appPassword: a, token: b }]
bitbucketServer: [{ host: bb.acme.com, username: u, password: p }, { host: bb2.acme.com, username: u, password: p, token: s }]
gitea: [{ host: "gitea.acme.com:3000", baseUrl: "http://gitea.acme.com:3000/", password: e }]
reading: { allow: [{ host: "*.example.com" }, { host: files.acme.com, paths: [/public/] }] }
`, Worker)
	require.NoError(t, err)
	secret := map[string]string{}
	all := c.Integrations()
	for i := range all {
		secret[all[i].Host] = all[i].Secret.Reveal()
		all[i].Secret = secrets.Secret{}
	}
	require.Equal(t, []Integration{
		{Type: "github", Host: "github.com", APIBaseURL: "https://api.github.com"},
		{Type: "gitlab", Host: "gitlab.com"}, {Type: "gitlab", Host: "git.acme.com", APIBaseURL: "https://git.acme.com/gitlab/api/v4"},
		{Type: "bitbucketCloud", Host: "bitbucket.org", Username: "u"},
		{Type: "bitbucketServer", Host: "bb.acme.com", Username: "u"}, {Type: "bitbucketServer", Host: "bb2.acme.com"},
		{Type: "gitea", Host: "gitea.acme.com:3000", APIBaseURL: "http://gitea.acme.com:3000/api/v1"},
	}, all)
	require.Equal(t, map[string]string{
		"github.com": "t", "gitlab.com": "", "git.acme.com": "l", "bitbucket.org": "b", "bb.acme.com": "p", "bb2.acme.com": "s", "gitea.acme.com:3000": "e",
	}, secret)
	require.Equal(t, map[string]string{
		"github.com": "github", "gitlab.com": "gitlab", "git.acme.com": "gitlab", "bitbucket.org": "bitbucketCloud", "bb.acme.com": "bitbucketServer",
		"bb2.acme.com": "bitbucketServer", "gitea.acme.com:3000": "gitea",
	}, c.Hosts())
	require.Equal(t, []Allowed{{Host: "*.example.com"}, {Host: "files.acme.com", Paths: []string{"/public/"}}}, c.Reading.Allow)
}

func TestWithoutCredentials_ReadsTheSameHostsWithNothing(t *testing.T) {
	t.Parallel()
	c, err := load(t, complete+`
gitlab: [{ host: git.acme.com, apiBaseUrl: "https://git.acme.com/api/v4", token: canary }]
bitbucketCloud: [{ username: u, appPassword: canary, token: canary }]
bitbucketServer: [{ host: bb.acme.com, username: u, password: canary }]
gitea: [{ host: gitea.acme.com, password: canary }]
reading: { allow: [{ host: "*.example.com" }] }
defaultEnvironment: { parameters: { region: eu }, secrets: { key: canary } }
`, Worker)
	require.NoError(t, err)
	bare := c.WithoutCredentials()
	require.Equal(t, c.Hosts(), bare.Hosts())
	require.Equal(t, c.Reading, bare.Reading)
	require.Equal(t, c.DefaultEnvironment.Parameters, bare.DefaultEnvironment.Parameters)
	var holdsSecret func(v reflect.Value) bool
	holdsSecret = func(v reflect.Value) bool {
		if s, ok := v.Interface().(secrets.Secret); ok {
			return !s.Empty()
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() && holdsSecret(v.Field(i)) {
					return true
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				if holdsSecret(v.Index(i)) {
					return true
				}
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				if holdsSecret(v.MapIndex(key)) {
					return true
				}
			}
		}
		return false
	}
	require.True(t, holdsSecret(reflect.ValueOf(c)))
	require.False(t, holdsSecret(reflect.ValueOf(bare)))
}

func TestCheck_Hosts_AllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(t, strings.Replace(complete, "host: github.com", "host: GitHub.com", 1)+`
gitlab: [{ host: "https://gitlab.com" }, { host: git.acme.com, apiBaseUrl: "file:///etc" }, { host: git.acme.com }]
bitbucketServer: [{ host: bb.acme.com, username: u }]
gitea: [{ }]
reading: { allow: [{ host: "*" }, { host: "a.*.com" }, { host: files.acme.com, paths: [public] }, { host: "files.acme.com/x" }] }
`, Worker)
	for _, want := range []string{
		"github[0].host: must be a host", "gitlab[0].host: must be a host", "gitlab[1]: its address must be", "gitlab[2].host: is configured twice",
		"bitbucketServer[0]: has a user and no password", "gitea[0].host: must be", "reading.allow[0].host", "reading.allow[1].host",
		"reading.allow[2].paths: must begin with a slash", "reading.allow[3].host",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = load(t, "readings: { allow: [] }\n", Worker)
	require.ErrorContains(t, err, "unknown key readings")
}

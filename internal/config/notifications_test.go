package config

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/secrets"
)

const told = complete + "publicUrl: https://gildway.acme.com\n"

func TestNotifications_Complete_WithDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t, told+`
notifications:
  slack:
    token: "vault:gildway-config/slack#token"
    channels: [{ group: ML-Platform-Team, channel: C0123456789 }]
    kinds: [run-failed]
  email: { host: smtp.acme.com, from: "Gildway <gildway@acme.com>", user: gildway, password: pw }
`, Server)
	require.NoError(t, err)
	require.Equal(t, 587, c.Notifications.Email.Port)
	require.Equal(t, "https://slack.com/api/", c.Notifications.Slack.URL)
	require.Equal(t, map[string]string{"group:default/ml-platform-team": "C0123456789"}, c.Notifications.Slack.Rooms())
	require.Equal(t, "https://gildway.acme.com/api/gildway/v1/tasks/x", c.TaskLink("x"))
	c.PortalURL = "https://portal.acme.com"
	require.Equal(t, "https://portal.acme.com/create/tasks/x", c.TaskLink("x"))

	revealed, err := c.Notifications.Revealed(func(mount, path, field string) (secrets.Secret, error) {
		require.Equal(t, [3]string{"gildway-config", "slack", "token"}, [3]string{mount, path, field})
		return secrets.New("xoxb-real"), nil
	})
	require.NoError(t, err)
	require.Equal(t, "xoxb-real", revealed.Slack.Token.Reveal())
	require.Equal(t, "pw", revealed.Email.Password.Reveal())
	_, err = c.Notifications.Revealed(func(string, string, string) (secrets.Secret, error) { return secrets.Secret{}, errors.New("sealed") })
	require.ErrorContains(t, err, "notifications.slack.token: sealed")

	none, err := load(t, complete, Server)
	require.NoError(t, err)
	require.False(t, none.Notifications.Slack.On())
	require.False(t, none.Notifications.Email.On())
}

func TestNotifications_WhatIsWrong_AllAtOnce(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`
notifications:
  slack: { token: "vault:nowhere", url: "http://slack.acme.com/api", kinds: [run-fialed], channels: [{ group: "user:default/x", channel: "#ops" }, { group: "a b", channel: C0123456789 }] }
  email: { host: smtp, port: 70000, from: nobody, user: gildway }
`: {
			"notifications.slack.token: must be vault:<mount>", "notifications.slack.url", "notifications.slack.kinds[0]", "did you mean run-failed?",
			"notifications.slack.channels[0].group: must be the ref of a group", "notifications.slack.channels[0].channel", "notifications.slack.channels[1].group",
			"notifications.email.port", "notifications.email.from", "notifications.email: needs both", "publicUrl: is missing",
		},
		"\nnotifications: { slack: { kinds: [run-failed] }, email: { from: a@b.example } }\n": {"notifications.slack.token: is missing", "notifications.email.host: is missing"},
		"\nnotifications: { slak: { token: t } }\n":                                           {"unknown key notifications.slak"},
		"\nnotifications: { email: { hosts: t } }\n":                                          {"did you mean notifications.email.host?"},
		"\nportalUrl: portal\n":                                                               {"portalUrl: must be an http(s) URL"},
	} {
		_, err := load(t, complete+text, Server)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}
}

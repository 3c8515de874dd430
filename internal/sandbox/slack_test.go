package sandbox_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	double "github.com/gildway/gildway/internal/sandbox/slack"
)

// slack is a client that somebody else wrote.
func (b *box) slack(token string) *slack.Client {
	return slack.New(token, slack.OptionAPIURL(b.url+"/slack/api/"))
}

func TestSlack_ThroughSlackGo_MessagesAndTheirHistory(t *testing.T) {
	t.Parallel()
	b := start(t)
	c := b.slack(tokens.Slack)
	who, err := c.AuthTestContext(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Acme", who.Team)

	rosa, err := c.GetUserByEmailContext(t.Context(), "ROSA@acme.example")
	require.NoError(t, err)
	require.Equal(t, "rosa@acme.example", rosa.Profile.Email)
	var rooms []string
	for range 2 {
		im, _, already, err := c.OpenConversationContext(t.Context(), &slack.OpenConversationParameters{Users: []string{rosa.ID}, ReturnIM: true})
		require.NoError(t, err)
		require.Equal(t, len(rooms) == 1, already)
		rooms = append(rooms, im.ID)
	}
	require.Equal(t, rooms[0], rooms[1])
	require.EqualValues(t, 1, b.did("slack.im.opened", ""))

	team := double.ChannelID("platform-team")
	var stamps []string
	for i := range 5 {
		_, ts, err := c.PostMessageContext(t.Context(), team, slack.MsgOptionText("*hello* & "+string(rune('a'+i)), true),
			slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "test", EventPayload: map[string]any{"n": string(rune('a' + i))}}))
		require.NoError(t, err)
		stamps = append(stamps, ts)
	}
	_, _, err = c.PostMessageContext(t.Context(), rooms[0], slack.MsgOptionText("hello", false))
	require.NoError(t, err)
	require.EqualValues(t, 5, b.did("slack.message.posted", team))
	b.restart()

	query := slack.GetConversationHistoryParameters{ChannelID: team, Limit: 2, Oldest: stamps[0], IncludeAllMetadata: true}
	var seen []string
	for {
		page, err := c.GetConversationHistoryContext(t.Context(), &query)
		require.NoError(t, err)
		require.Equal(t, page.HasMore, page.ResponseMetaData.NextCursor != "")
		for _, m := range page.Messages {
			require.Equal(t, "test", m.Metadata.EventType)
			seen = append(seen, m.Metadata.EventPayload["n"].(string))
			require.Contains(t, m.Text, "&amp;")
		}
		if query.Cursor = page.ResponseMetaData.NextCursor; query.Cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"e", "d", "c", "b"}, seen, "newest first, without the oldest itself")
	plain, err := c.GetConversationHistoryContext(t.Context(), &slack.GetConversationHistoryParameters{ChannelID: team})
	require.NoError(t, err)
	require.Empty(t, plain.Messages[0].Metadata.EventType)

	shown := b.call("GET", "/slack/messages?in=%40rosa", "", nil)
	require.Contains(t, string(shown.raw), `"in":"@rosa"`)
	require.NotContains(t, string(shown.raw), "platform")
}

func TestSlack_ThroughSlackGo_WhatItRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	c := b.slack(tokens.Slack)
	team := double.ChannelID("platform-team")
	for want, call := range map[string]func() error{
		"invalid_auth":      func() error { _, err := b.slack("xoxb-other").AuthTestContext(t.Context()); return err },
		"not_authed":        func() error { _, err := b.slack("").AuthTestContext(t.Context()); return err },
		"unknown_method":    func() error { _, err := c.GetTeamInfoContext(t.Context()); return err },
		"users_not_found":   func() error { _, err := c.GetUserByEmailContext(t.Context(), "nobody@acme.example"); return err },
		"channel_not_found": func() error { _, _, err := c.PostMessage("C0NOWHERE00", slack.MsgOptionText("x", false)); return err },
		"no_text":           func() error { _, _, err := c.PostMessage(team, slack.MsgOptionText("", false)); return err },
		"msg_too_long": func() error {
			_, _, err := c.PostMessage(team, slack.MsgOptionText(strings.Repeat("x", 40001), false))
			return err
		},
		"invalid_metadata_format": func() error {
			_, _, err := c.PostMessage(team, slack.MsgOptionText("x", false), slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "Not This"}))
			return err
		},
		"user_not_found": func() error {
			_, _, _, err := c.OpenConversation(&slack.OpenConversationParameters{Users: []string{"U0NOBODY000"}})
			return err
		},
	} {
		err := call()
		var said slack.SlackErrorResponse
		require.True(t, errors.As(err, &said), "%s: %v", want, err)
		require.Equal(t, want, said.Err)
	}
	require.Zero(t, b.did("slack.message.posted", ""))
}

func TestSlack_Faults_InSlacksOwnWords(t *testing.T) {
	t.Parallel()
	b := start(t)
	c := b.slack(tokens.Slack)
	team := double.ChannelID("platform-team")
	post := func() error {
		_, _, err := c.PostMessageContext(t.Context(), team, slack.MsgOptionText("x", false))
		return err
	}
	b.misbehave(map[string]any{"provider": "slack", "path": "/api/chat.postMessage", "kind": "rate-limit", "retryAfter": 7})
	var limited *slack.RateLimitedError
	require.ErrorAs(t, post(), &limited)
	require.Equal(t, 7*time.Second, limited.RetryAfter)
	b.misbehave(map[string]any{"provider": "slack", "path": "/api/chat.postMessage", "kind": "drop-before"})
	require.Error(t, post())
	require.Zero(t, b.did("slack.message.posted", team))
	b.misbehave(map[string]any{"provider": "slack", "contains": "chat", "kind": "status"}) // doesn't fit
	b.misbehave(map[string]any{"provider": "slack", "path": "/api/chat.postMessage", "kind": "drop-after"})
	require.Error(t, post())
	require.EqualValues(t, 1, b.did("slack.message.posted", team))
	require.NoError(t, post())
}

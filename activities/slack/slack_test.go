package slack

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/sandbox"
	double "github.com/gildway/gildway/internal/sandbox/slack"
	"github.com/gildway/gildway/internal/secrets"
)

const token = "xoxb-test"

// workspace is the sandbox's Slack.
func workspace(t *testing.T) (*sandbox.Sandbox, string) {
	t.Helper()
	var box atomic.Pointer[sandbox.Sandbox]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { box.Load().ServeHTTP(w, r) }))
	s, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), BaseURL: srv.URL, Tokens: sandbox.Tokens{Slack: token}})
	require.NoError(t, err)
	box.Store(s)
	t.Cleanup(func() {
		srv.Close()
		require.NoError(t, s.Close())
	})
	return s, srv.URL
}

func misbehave(t *testing.T, url string, rule map[string]any) {
	t.Helper()
	rule["provider"] = "slack"
	raw, err := json.Marshal(rule)
	require.NoError(t, err)
	answer, err := http.Post(url+"/faults/rules", "application/json", bytes.NewReader(raw))
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
}

func delivery(key, address string) notice.Delivery {
	return notice.Delivery{
		Notice:  notice.Notice{Key: key, Kind: notice.ApprovalOpened, Title: "Decide", Text: "why", Link: "https://gildway/a"},
		Address: address, Try: 1, Since: time.Now(),
	}
}

func TestSend_ChannelAndPerson(t *testing.T) {
	t.Parallel()
	box, url := workspace(t)
	c := New(Config{URL: url + "/slack/api/", Token: secrets.New(token)})
	team := double.ChannelID("platform-team")
	require.NoError(t, c.Send(t.Context(), delivery("a", team)))
	require.NoError(t, c.Send(t.Context(), delivery("a", "rosa@acme.example")))
	posted := box.Counts().Effects["slack.message.posted"]
	require.EqualValues(t, 2, posted.Total)
	require.EqualValues(t, 1, posted.By[team])
}

func TestSend_InDoubt_LookedForFirst(t *testing.T) {
	t.Parallel()
	box, url := workspace(t)
	c := New(Config{URL: url + "/slack/api", Token: secrets.New(token)})
	team := double.ChannelID("platform-team")
	for range 5 {
		require.NoError(t, c.Send(t.Context(), delivery("another", team)))
	}
	misbehave(t, url, map[string]any{"path": "/api/chat.postMessage", "kind": "drop-after"})
	d := delivery("a", team)
	require.ErrorIs(t, c.Send(t.Context(), d), fault.Unavailable)
	d.InDoubt = true
	for range 2 {
		require.NoError(t, c.Send(t.Context(), d))
	}
	require.EqualValues(t, 6, box.Counts().Effects["slack.message.posted"].Total)
	lost := delivery("b", team) // which did not arrive
	lost.InDoubt = true
	require.NoError(t, c.Send(t.Context(), lost))
	require.EqualValues(t, 7, box.Counts().Effects["slack.message.posted"].Total)
}

func TestSend_WhatGoesWrong_IsAFault(t *testing.T) {
	t.Parallel()
	box, url := workspace(t)
	team := double.ChannelID("platform-team")
	good := Config{URL: url + "/slack/api/", Token: secrets.New(token)}
	for name, c := range map[string]struct {
		config  Config
		address string
		rule    map[string]any
		want    fault.Kind
		after   time.Duration
	}{
		"no such person":  {good, "nobody@acme.example", nil, fault.NotFound, 0},
		"no such channel": {good, "C0NOWHERE00", nil, fault.NotFound, 0},
		"wrong token":     {Config{URL: good.URL, Token: secrets.New("xoxb-other")}, team, nil, fault.Denied, 0},
		"no Slack there":  {Config{URL: "http://127.0.0.1:1/", Token: good.Token}, team, nil, fault.Unavailable, 0},
		"too fast":        {good, team, map[string]any{"path": "/api/chat.postMessage", "kind": "rate-limit", "retryAfter": 9}, fault.RateLimited, 9 * time.Second},
		"Slack is ill":    {good, "rosa@acme.example", map[string]any{"path": "/api/users.lookupByEmail", "kind": "status", "status": 503}, fault.Unavailable, 0},
	} {
		if c.rule != nil {
			misbehave(t, url, c.rule)
		}
		err := New(c.config).Send(t.Context(), delivery(name, c.address))
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, c.after, fault.From(err).RetryAfter, name)
		require.NotContains(t, err.Error(), "xoxb")
	}
	require.Zero(t, box.Counts().Effects["slack.message.posted"].Total)
}

func TestText_SaysAllAndMentionsNobody(t *testing.T) {
	t.Parallel()
	due := time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC)
	require.Equal(t, "*rosa asks for &lt;!channel&gt; &amp; more*\nbecause &lt;@U1&gt;\nUntil Friday, 1 January 2027, 09:00 UTC\n<https://gildway/a%7Cb|Open the approval>",
		text(notice.Notice{Kind: notice.ApprovalOpened, Title: "rosa asks for <!channel> & more", Text: "because <@U1>", Due: &due, Link: "https://gildway/a|b"}))
	require.Equal(t, "*It has failed*", text(notice.Notice{Kind: notice.RunFailed, Title: "It has failed"}))
	long := text(notice.Notice{Title: "t", Text: strings.Repeat("ä", longestText+1)})
	require.Len(t, []rune(long), len("*t*\n")+longestText+1)
}

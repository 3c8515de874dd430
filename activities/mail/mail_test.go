package mail

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	gomail "github.com/wneessen/go-mail"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/sandbox"
	double "github.com/gildway/gildway/internal/sandbox/mail"
	"github.com/gildway/gildway/internal/secrets"
)

// office is the sandbox's mail server.
type office struct {
	*sandbox.Sandbox
	url    string
	config Config
}

func open(t *testing.T) office {
	t.Helper()
	var box atomic.Pointer[sandbox.Sandbox]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { box.Load().ServeHTTP(w, r) }))
	s, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), BaseURL: srv.URL, Tokens: sandbox.Tokens{MailUser: "gildway", MailPassword: "pw"}})
	require.NoError(t, err)
	box.Store(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.ServeMail(l) }()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.NoError(t, <-ended)
		srv.Close()
		require.NoError(t, s.Close())
	})
	return office{s, srv.URL, Config{
		Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "Gildway <gildway@acme.example>", User: "gildway", Password: secrets.New("pw"),
	}}
}

func (o office) misbehave(t *testing.T, rule map[string]any) {
	t.Helper()
	rule["provider"] = "smtp"
	raw, err := json.Marshal(rule)
	require.NoError(t, err)
	answer, err := http.Post(o.url+"/faults/rules", "application/json", bytes.NewReader(raw))
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusCreated, answer.StatusCode)
}

func (o office) letters(t *testing.T, to string) (list []double.Letter) {
	t.Helper()
	answer, err := http.Get(o.url + "/mail?to=" + url.QueryEscape(to))
	require.NoError(t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &list))
	return list
}

const task = "0e4d6a5c-5f6c-4d8e-9a50-4c2a5b7c9d11"

func delivery(key string) notice.Delivery {
	due := time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC)
	return notice.Delivery{Address: "rosa@acme.example", Notice: notice.Notice{
		Key: key, Kind: notice.ApprovalOpened, Task: task, Due: &due, Link: "https://gildway/a?b=1&c=2",
		Title: "Größe <b>\r\nBcc: eve@evil.example", Text: "first <script>\n\nsecond",
	}}
}

func TestSend_Letter(t *testing.T) {
	t.Parallel()
	o := open(t)
	c, err := New(o.config)
	require.NoError(t, err)
	require.NoError(t, c.Send(t.Context(), delivery("a")))
	got := o.letters(t, "rosa@acme.example")
	require.Len(t, got, 1)
	l := got[0]
	require.Equal(t, "Größe <b> Bcc: eve@evil.example", l.Subject)
	require.Equal(t, `"Gildway" <gildway@acme.example>`, l.From)
	require.Equal(t, "auto-generated", l.Headers["Auto-Submitted"])
	require.Equal(t, "<approval-opened.gildway.acme.example>", l.Headers["List-Id"])
	require.Equal(t, "<task-"+task+"@acme.example>", l.Headers["References"])
	require.NotContains(t, l.Headers, "Bcc")
	require.Equal(t, "Größe <b> Bcc: eve@evil.example\n\nfirst <script>\n\nsecond\n\nUntil Friday, 1 January 2027, 09:00 UTC\n\n"+
		"Open the approval: https://gildway/a?b=1&c=2\n\n-- \nSent by Gildway, because this is yours to know or to decide (approval-opened).\n", l.Text)
	for _, want := range []string{
		`<html lang="en">`, "<h1 style=\"font-size:1.2em\">Größe &lt;b&gt; Bcc: eve@evil.example</h1>", "<p>first &lt;script&gt;</p>\n<p>second</p>",
		`<a href="https://gildway/a?b=1&amp;c=2">Open the approval</a>`,
	} {
		require.Contains(t, l.HTML, want)
	}
	require.EqualValues(t, 1, o.Counts().Effects["mail.delivered"].Total)
}

func TestSend_Again_ArrivesOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	c, err := New(o.config)
	require.NoError(t, err)
	o.misbehave(t, map[string]any{"method": "DATA", "kind": "drop-after"})
	require.ErrorIs(t, c.Send(t.Context(), delivery("a")), fault.Unavailable)
	require.NoError(t, c.Send(t.Context(), delivery("a")))
	require.NoError(t, c.Send(t.Context(), delivery("b")))
	require.Len(t, o.letters(t, "rosa@acme.example"), 2)
	require.EqualValues(t, 1, o.Counts().Effects["mail.dropped"].Total)
}

func TestSend_WhatGoesWrong_IsAFault(t *testing.T) {
	t.Parallel()
	o := open(t)
	wrong, away := o.config, o.config
	wrong.Password, away.Port = secrets.New("hunter2"), 1
	for name, c := range map[string]struct {
		config Config
		rule   map[string]any
		want   fault.Kind
	}{
		"wrong password":   {wrong, nil, fault.Denied},
		"no server there":  {away, nil, fault.Unavailable},
		"no such mailbox":  {o.config, map[string]any{"method": "RCPT", "kind": "status", "status": 550}, fault.NotFound},
		"a full mailbox":   {o.config, map[string]any{"method": "RCPT", "kind": "status", "status": 452}, fault.Unavailable},
		"taken for spam":   {o.config, map[string]any{"method": "DATA", "kind": "status", "status": 554}, fault.Invalid},
		"greylisted":       {o.config, map[string]any{"method": "DATA", "kind": "rate-limit"}, fault.Unavailable},
		"hung up":          {o.config, map[string]any{"method": "RCPT", "kind": "drop-before"}, fault.Unavailable},
		"hung up later on": {o.config, map[string]any{"method": "DATA", "kind": "drop-before"}, fault.Unavailable},
	} {
		if c.rule != nil {
			o.misbehave(t, c.rule)
		}
		client, err := New(c.config)
		require.NoError(t, err)
		err = client.Send(t.Context(), delivery(name))
		require.ErrorIs(t, err, c.want, name)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.Empty(t, o.letters(t, "rosa@acme.example"))
}

// Only this machine is spoken to without TLS.
func TestNew_TLSUnlessOnLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]gomail.TLSPolicy{
		"smtp.acme.example": gomail.TLSMandatory, "10.0.0.1": gomail.TLSMandatory, "localhost.acme.example": gomail.TLSMandatory,
		"localhost": gomail.NoTLS, "127.0.0.1": gomail.NoTLS, "::1": gomail.NoTLS,
	} {
		c, err := New(Config{Host: host, Port: 587, From: "gildway@acme.example"})
		require.NoError(t, err)
		require.Equal(t, want.String(), c.client.TLSPolicy(), host)
	}
	_, err := New(Config{Host: "smtp.acme.example", Port: 587, From: "nobody"})
	require.ErrorIs(t, err, fault.Invalid)
}

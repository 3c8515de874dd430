package sandbox_test

import (
	"encoding/json"
	"net"
	"net/smtp"
	"net/textproto"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wneessen/go-mail"
)

// post is the sandbox's mail server on a port of its own.
func (b *box) post() (host string, port int) {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	ended := make(chan error, 1)
	go func() { ended <- b.now.Load().ServeMail(l) }()
	b.t.Cleanup(func() {
		require.NoError(b.t, l.Close())
		require.NoError(b.t, <-ended)
	})
	host, text, err := net.SplitHostPort(l.Addr().String())
	require.NoError(b.t, err)
	port, err = strconv.Atoi(text)
	require.NoError(b.t, err)
	return host, port
}

func letter(t *testing.T, id, to string) *mail.Msg {
	t.Helper()
	m := mail.NewMsg()
	require.NoError(t, m.FromFormat("Gildway", "gildway@acme.example"))
	require.NoError(t, m.To(to))
	m.SetMessageIDWithValue(id)
	m.SetDateWithValue(time.Now())
	m.Subject("Größe")
	m.SetBodyString(mail.TypeTextPlain, "plain = ä")
	m.AddAlternativeString(mail.TypeTextHTML, "<p>ä</p>")
	return m
}

func TestMail_ThroughGoMail_KeptOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	host, port := b.post()
	client := func(password string) *mail.Client {
		c, err := mail.NewClient(host, mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS), mail.WithSMTPAuth(mail.SMTPAuthPlain),
			mail.WithUsername(tokens.MailUser), mail.WithPassword(password))
		require.NoError(t, err)
		return c
	}
	var said *textproto.Error
	require.ErrorAs(t, client("wrong").DialAndSendWithContext(t.Context(), letter(t, "1@acme.example", "rosa@acme.example")), &said)
	require.Equal(t, 535, said.Code)
	c := client(tokens.MailPassword)
	for range 2 {
		require.NoError(t, c.DialAndSendWithContext(t.Context(), letter(t, "1@acme.example", "rosa@acme.example")))
	}
	require.NoError(t, c.DialAndSendWithContext(t.Context(), letter(t, "1@acme.example", "ben@acme.example")))
	require.EqualValues(t, 1, b.did("mail.delivered", "rosa@acme.example"))
	require.EqualValues(t, 1, b.did("mail.dropped", "rosa@acme.example"))
	got := b.call("GET", "/mail?to=rosa@acme.example", "", nil).list(t)
	require.Len(t, got, 1)
	require.Equal(t, "Größe", got[0]["subject"])
	require.Equal(t, "plain = ä", got[0]["text"])
	require.Equal(t, "<p>ä</p>", got[0]["html"])
	require.Len(t, b.call("GET", "/mail", "", nil).list(t), 2)

	for order, code := range map[string]int{
		`{"kind":"status","status":550}`: 550, `{"kind":"status-after","status":451}`: 451, `{"kind":"rate-limit"}`: 451, `{"kind":"drop-after"}`: 0, `{"kind":"drop-before"}`: 0,
	} {
		b.misbehave(rule(t, order, map[string]any{"provider": "smtp", "method": "DATA", "path": "/rosa@acme.example"}))
		err := c.DialAndSendWithContext(t.Context(), letter(t, "2@acme.example", "rosa@acme.example"))
		var failed *mail.SendError
		require.ErrorAs(t, err, &failed, order)
		require.Equal(t, code, failed.ErrorCode(), order)
	}
	require.EqualValues(t, 2, b.did("mail.delivered", "rosa@acme.example"), "two of the faults came after it had arrived, with one letter")
}

// What net/smtp can do and go-mail doesn't.
func TestMail_WhatItRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	host, port := b.post()
	at := net.JoinHostPort(host, strconv.Itoa(port))
	auth := smtp.PlainAuth("", tokens.MailUser, tokens.MailPassword, host)
	for want, text := range map[string]string{
		"Message-ID": "From: a@b.example\r\nTo: c@d.example\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\nContent-Type: text/plain\r\n\r\nx\r\n",
		"date":       "From: a@b.example\r\nTo: c@d.example\r\nMessage-ID: <1@b.example>\r\nContent-Type: text/plain\r\n\r\nx\r\n",
		"To":         "From: a@b.example\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@b.example>\r\nContent-Type: text/plain\r\n\r\nx\r\n",
		"malformed":  "no header\r\n",
	} {
		require.ErrorContains(t, smtp.SendMail(at, auth, "a@b.example", []string{"c@d.example"}, []byte(text)), want)
	}
	require.ErrorContains(t, smtp.SendMail(at, nil, "a@b.example", []string{"c@d.example"}, nil), "Authentication required")
	require.Zero(t, b.did("mail.delivered", ""))
}

// list is an answer that is a list.
func (a answer) list(t *testing.T) (all []map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.raw, &all), "%s", a.raw)
	return all
}

// rule is an order for the desk of faults, with more to it.
func rule(t *testing.T, order string, more map[string]any) map[string]any {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(order), &more))
	return more
}

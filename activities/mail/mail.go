// Package mail tells people by e-mail.
package mail

import (
	"context"
	"errors"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says by which server letters leave.
type Config struct {
	Host     string
	Port     int    // 465: TLS from the first byte; any other: STARTTLS
	From     string // an address, also with a name: Gildway <gildway@acme.com>
	User     string // none: the server asks nobody who they are
	Password secrets.Secret
}

// Client sends letters.
type Client struct {
	client *gomail.Client
	from   *mail.Address
	domain string
}

const (
	implicitTLS = 465
	dialWithin  = 15 * time.Second
)

// New makes a client. Nothing leaves this machine unencrypted.
func New(config Config) (*Client, error) {
	from, err := mail.ParseAddress(config.From)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "notifications.email.from is not an address")
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	options := []gomail.Option{gomail.WithPort(config.Port), gomail.WithTimeout(dialWithin), gomail.WithTLSPolicy(gomail.TLSMandatory)}
	auth := gomail.SMTPAuthAutoDiscover
	switch {
	case onLoopback(config.Host):
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
		auth = gomail.SMTPAuthPlain
	case config.Port == implicitTLS:
		options = append(options, gomail.WithSSL())
	}
	if config.User != "" {
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(config.User), gomail.WithPassword(config.Password.Reveal()))
	}
	client, err := gomail.NewClient(config.Host, options...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "notifications.email can't be used")
	}
	return &Client{client, from, domain}, nil
}

// onLoopback says whether a host is this machine.
func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send hands a letter to the server. SMTP can't be asked what became of an earlier try: a letter in doubt goes again,
// under the Message-ID that it had.
func (c *Client) Send(ctx context.Context, d notice.Delivery) error {
	m, err := c.compose(d, time.Now())
	if err != nil {
		return err
	}
	err = c.client.DialAndSendWithContext(ctx, m)
	if m.IsDelivered() {
		return nil // whatever went wrong with the goodbye
	}
	return typed(err)
}

// typed makes a fault of what the server says.
func typed(err error) error {
	if err == nil {
		return nil
	}
	code := 0
	var said *textproto.Error
	var failed *gomail.SendError
	switch {
	case errors.As(err, &failed):
		code = failed.ErrorCode()
	case errors.As(err, &said):
		code = said.Code
	}
	switch {
	case code == 530 || code == 534 || code == 535 || code == 538:
		return fault.Wrap(fault.Denied, err, "the mail server does not accept our credential")
	case failed != nil && failed.Reason == gomail.ErrSMTPMailFrom && code >= 500:
		return fault.Wrap(fault.Denied, err, "the mail server does not let us send under notifications.email.from")
	case failed != nil && failed.Reason == gomail.ErrSMTPRcptTo && code >= 500:
		return fault.Wrap(fault.NotFound, err, "the mail server does not know the address")
	case failed != nil && code >= 500:
		return fault.Wrap(fault.Invalid, err, "the mail server does not take the letter")
	case code >= 400:
		return fault.Wrap(fault.Unavailable, err, "the mail server has no time for the letter")
	default:
		return fault.Wrap(fault.Unavailable, err, "the mail server can't be reached")
	}
}

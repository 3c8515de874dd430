package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gildway/gildway/activities/mail"
	"github.com/gildway/gildway/activities/notify"
	"github.com/gildway/gildway/activities/slack"
	"github.com/gildway/gildway/internal/config"
	"github.com/gildway/gildway/internal/notice"
)

// PersonalLink is where one person can decide an approval, see notify.Options.
type PersonalLink = func(person, approval string, end *time.Time) (string, error)

// Sender tells people outside the portal by the channels of a configuration. Without any it only notes that there is
// nothing to send, so that a channel that is configured later begins with what happens from then on.
func Sender(ctx context.Context, c config.Config, outbox notify.Outbox, link PersonalLink, logger *slog.Logger) (*notify.Sender, error) {
	told, err := c.Notifications.Revealed(VaultField(ctx, c))
	if err != nil {
		return nil, err
	}
	options := notify.Options{Outbox: outbox, Directory: Directory(c), TaskLink: c.TaskLink, Log: logger}
	if c.Approvals.Links {
		options.PersonalLink = link
	}
	if s := told.Slack; s.On() {
		options.Channels = append(options.Channels, notify.Channel{
			Name: "slack", Carrier: slack.New(slack.Config{URL: s.URL, Token: s.Token}), Kinds: kinds(s.Kinds), Rooms: s.Rooms(),
		})
	}
	if e := told.Email; e.On() {
		server, err := mail.New(mail.Config{Host: e.Host, Port: e.Port, From: e.From, User: e.User, Password: e.Password})
		if err != nil {
			return nil, fmt.Errorf("e-mail: %w", err)
		}
		options.Channels = append(options.Channels, notify.Channel{Name: "email", Carrier: server, Kinds: kinds(e.Kinds), Mailboxes: true})
	}
	return notify.New(options), nil
}

func kinds(names []string) (list []notice.Kind) {
	for _, n := range names {
		list = append(list, notice.Kind(n))
	}
	return list
}

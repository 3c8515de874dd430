// Package slack tells people in Slack: in the channel of their group, or by a direct message.
package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	sdk "github.com/slack-go/slack"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says which workspace to speak in.
type Config struct {
	URL   string         // of the Web API, e.g. https://slack.com/api/
	Token secrets.Secret // a bot's
}

// Client posts messages.
type Client struct{ api *sdk.Client }

const provider = "Slack"

// New makes a client.
func New(config Config) *Client {
	return &Client{sdk.New(config.Token.Reveal(), sdk.OptionAPIURL(strings.TrimSuffix(config.URL, "/")+"/"),
		sdk.OptionHTTPClient(&http.Client{Transport: fault.Provider{Name: provider}, Timeout: 30 * time.Second}))}
}

// mark is the type of the metadata that tells our messages from any other, with the notice's key.
const mark = "gildway_notice"

// Send posts a notice, once: one that may be there already is looked for first. The address is a channel's id, or the
// e-mail address of somebody.
func (c *Client) Send(ctx context.Context, d notice.Delivery) error {
	room, err := c.room(ctx, d.Address)
	if err != nil {
		return err
	}
	if d.InDoubt {
		there, err := c.posted(ctx, room, d)
		if err != nil || there {
			return err
		}
	}
	_, _, err = c.api.PostMessageContext(ctx, room, sdk.MsgOptionText(text(d.Notice), false),
		sdk.MsgOptionDisableLinkUnfurl(), sdk.MsgOptionDisableMediaUnfurl(),
		sdk.MsgOptionMetadata(sdk.SlackMetadata{EventType: mark, EventPayload: map[string]any{"key": d.Key}}))
	return typed(err)
}

// room is the channel for an address: with a person, the conversation of the two.
func (c *Client) room(ctx context.Context, address string) (string, error) {
	if !strings.Contains(address, "@") {
		return address, nil
	}
	user, err := c.api.GetUserByEmailContext(ctx, address)
	if err != nil {
		return "", typed(err)
	}
	with, _, _, err := c.api.OpenConversationContext(ctx, &sdk.OpenConversationParameters{Users: []string{user.ID}, ReturnIM: true})
	if err != nil {
		return "", typed(err)
	}
	return with.ID, nil
}

const (
	pageSize  = 200
	mostPages = 50
	skew      = 5 * time.Minute // between Slack's clock and ours
)

// posted looks for a notice among what was said since it was to be sent.
func (c *Client) posted(ctx context.Context, room string, d notice.Delivery) (bool, error) {
	query := sdk.GetConversationHistoryParameters{
		ChannelID: room, Limit: pageSize, IncludeAllMetadata: true, Oldest: fmt.Sprintf("%d.000000", d.Since.Add(-skew).Unix()),
	}
	for range mostPages {
		page, err := c.api.GetConversationHistoryContext(ctx, &query)
		if err != nil {
			return false, typed(err)
		}
		for _, m := range page.Messages {
			if m.Metadata.EventType == mark && m.Metadata.EventPayload["key"] == d.Key {
				return true, nil
			}
		}
		if query.Cursor = page.ResponseMetaData.NextCursor; query.Cursor == "" {
			return false, nil
		}
	}
	return false, nil
}

// longestText is what of a notice's text a message holds; the link leads to the rest.
const longestText = 3000

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// text is a message that reads well aloud, and in which nothing of a template's or requester's words mentions anybody.
func text(n notice.Notice) string {
	lines := []string{"*" + escape.Replace(n.Title) + "*"}
	if body := []rune(n.Text); len(body) > longestText {
		lines = append(lines, escape.Replace(string(body[:longestText]))+"…")
	} else if n.Text != "" {
		lines = append(lines, escape.Replace(n.Text))
	}
	if due := n.DueText(); due != "" {
		lines = append(lines, due)
	}
	if n.Link != "" {
		lines = append(lines, "<"+strings.NewReplacer("|", "%7C", ">", "%3E", "<", "%3C").Replace(n.Link)+"|"+n.LinkText()+">")
	}
	return strings.Join(lines, "\n")
}

// typed makes a fault of what Slack says. It says most of it with a 200.
func typed(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	var said sdk.SlackErrorResponse
	if !errors.As(err, &said) {
		return fault.Wrap(fault.Unavailable, err, "Slack's answer can't be read")
	}
	switch said.Err {
	case "ratelimited", "rate_limited":
		return fault.Wrap(fault.RateLimited, err, "Slack asks us to slow down")
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return fault.Wrap(fault.Unavailable, err, "Slack has a problem of its own")
	case "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired":
		return fault.Wrap(fault.Denied, err, "Slack does not accept our credential")
	case "missing_scope", "no_permission", "not_allowed_token_type", "access_denied", "ekm_access_denied", "team_access_not_granted":
		return fault.Wrap(fault.Denied, err, "Slack does not let our credential do this; give its app the scopes that the operations guide lists")
	case "users_not_found", "user_not_found", "user_disabled":
		return fault.Wrap(fault.NotFound, err, "nobody in Slack has this address")
	case "channel_not_found":
		return fault.Wrap(fault.NotFound, err, "Slack has no such channel, or hides it from our app; check notifications.slack.channels")
	case "not_in_channel":
		return fault.Wrap(fault.Conflict, err, "our app is not in this channel of Slack; invite it")
	case "is_archived":
		return fault.Wrap(fault.Conflict, err, "this channel of Slack is archived")
	default:
		return fault.Wrap(fault.Invalid, err, "Slack does not take the message")
	}
}

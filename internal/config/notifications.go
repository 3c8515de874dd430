package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/nearest"
	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

// Notifications are the ways in which people are told outside the portal; one that isn't configured isn't used.
type Notifications struct {
	Slack Slack `koanf:"slack"`
	Email Email `koanf:"email"`
}

// Slack is the workspace that people are told in.
type Slack struct {
	URL      string         `koanf:"url"`      // of the Web API; default https://slack.com/api/
	Token    secrets.Secret `koanf:"token"`    // a bot's, or vault:<mount>/<path>#<field>
	Channels []SlackChannel `koanf:"channels"` // of the groups that have one; the people of others are told one by one
	Kinds    []string       `koanf:"kinds"`    // of notices; default all
}

// SlackChannel is where a group meets.
type SlackChannel struct {
	Group   string `koanf:"group"`   // its ref
	Channel string `koanf:"channel"` // its id, which the channel's details show
}

// Email is the server that letters leave by.
type Email struct {
	Host     string         `koanf:"host"`
	Port     int            `koanf:"port"` // default 587, with STARTTLS; 465: TLS from the first byte
	From     string         `koanf:"from"` // e.g. Gildway <gildway@acme.com>
	User     string         `koanf:"user"` // may be empty
	Password secrets.Secret `koanf:"password"`
	Kinds    []string       `koanf:"kinds"`
}

func (n *Notifications) setDefaults() {
	setDefault(&n.Slack.URL, "https://slack.com/api/")
	if n.Email.Port == 0 {
		n.Email.Port = 587
	}
}

// On says whether Slack is configured.
func (s Slack) On() bool { return !s.Token.Empty() }

// On says whether e-mail is configured.
func (e Email) On() bool { return e.Host != "" }

// Rooms are the channels by the canonical refs of their groups.
func (s Slack) Rooms() map[string]string {
	rooms := map[string]string{}
	for _, c := range s.Channels {
		rooms[canonical([]string{c.Group})[0]] = c.Channel // Check has read it
	}
	return rooms
}

var slackChannel = regexp.MustCompile(`^[CG][A-Z0-9]{8,}$`)

func (n Notifications) check(need needs) {
	s, e := n.Slack, n.Email
	need(s.On() || len(s.Channels) == 0 && len(s.Kinds) == 0, "notifications.slack.token", "is missing; it is the bot token of an app in your workspace")
	u, err := url.Parse(s.URL)
	need(err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && onLoopback(u.Hostname())), "notifications.slack.url", "must be an https URL")
	for i, c := range s.Channels {
		key := fmt.Sprintf("notifications.slack.channels[%d]", i)
		ref, err := plan.ParseEntityRef(c.Group, "group")
		wellFormed(need, key+".group", err)
		need(err != nil || ref.Kind == "group", key+".group", "must be the ref of a group")
		need(slackChannel.MatchString(c.Channel), key+".channel", "must be the channel's id, e.g. C0123456789: it stands at the end of the channel's details in Slack")
	}
	checkKinds(need, "notifications.slack.kinds", s.Kinds)
	checkKinds(need, "notifications.email.kinds", e.Kinds)
	secretRef(need, "notifications.slack.token", s.Token)
	secretRef(need, "notifications.email.password", e.Password)
	if !e.On() {
		need(e.From == "" && e.User == "" && len(e.Kinds) == 0, "notifications.email.host", "is missing; e.g. smtp.acme.com")
		return
	}
	need(e.Port > 0 && e.Port < 1<<16, "notifications.email.port", "must be a port, e.g. 587")
	_, err = mail.ParseAddress(e.From)
	need(err == nil, "notifications.email.from", "must be an address, e.g. Gildway <gildway@acme.com>")
	need((e.User == "") == e.Password.Empty(), "notifications.email", "needs both user and password, or none of them")
}

func checkKinds(need needs, key string, kinds []string) {
	var names []string
	for _, k := range notice.Kinds {
		names = append(names, string(k))
	}
	for i, k := range kinds {
		if slices.Contains(names, k) {
			continue
		}
		why := "must be one of " + strings.Join(names, ", ")
		if meant := nearest.Name(k, names); meant != "" {
			why += "; did you mean " + meant + "?"
		}
		need(false, fmt.Sprintf("%s[%d]", key, i), why)
	}
}

const inVault = "vault:"

func secretRef(need needs, key string, s secrets.Secret) {
	at, is := strings.CutPrefix(s.Reveal(), inVault)
	need(!is || vaultRef.MatchString(at), key, "must be vault:<mount>/<path>#<field>")
}

// Revealed reads what the configuration only refers to.
func (n Notifications) Revealed(fromVault func(mount, path, field string) (secrets.Secret, error)) (Notifications, error) {
	for _, s := range []struct {
		key    string
		secret *secrets.Secret
	}{{"slack.token", &n.Slack.Token}, {"email.password", &n.Email.Password}} {
		ref, is := strings.CutPrefix(s.secret.Reveal(), inVault)
		if !is {
			continue
		}
		at := vaultRef.FindStringSubmatch(ref)
		value, err := fromVault(at[1], at[2], at[3])
		if err != nil {
			return n, fmt.Errorf("notifications.%s: %w", s.key, err)
		}
		*s.secret = value
	}
	return n, nil
}

func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

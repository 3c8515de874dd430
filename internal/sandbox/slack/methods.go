package slack

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/sandbox/ledger"
)

const (
	botUser     = "U0GILDWAY00"
	botID       = "B0GILDWAY00"
	longestText = 40000
)

func (d *Double) test(url.Values) (map[string]any, string) {
	return map[string]any{"url": "https://acme.slack.com/", "team": "Acme", "team_id": "T0ACME00000", "user": "gildway", "user_id": botUser, "bot_id": botID}, ""
}

func (d *Double) lookup(in url.Values) (map[string]any, string) {
	var found user
	ok := false
	d.Ledger.View(func(tx *ledger.Tx) { found, ok = ledger.Get[user](tx, usersBucket, strings.ToLower(in.Get("email"))) })
	if !ok {
		return nil, "users_not_found"
	}
	return map[string]any{"user": map[string]any{
		"id": found.ID, "name": found.Name, "real_name": found.Real, "profile": map[string]any{"email": found.Email, "real_name": found.Real},
	}}, ""
}

// open opens the conversation with one person; several would be another kind of it, which nobody here needs.
func (d *Double) open(in url.Values) (map[string]any, string) {
	who := in.Get("users")
	var c channel
	already, refused := false, ""
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		if !slices.ContainsFunc(ledger.All[user](tx, usersBucket, ""), func(u user) bool { return u.ID == who }) {
			refused = "user_not_found"
			return nil
		}
		c = channel{ID: id("D", who), User: who, IsIM: true, Member: true}
		if _, already = ledger.Get[channel](tx, channelsBucket, c.ID); !already {
			tx.Put(channelsBucket, c.ID, c)
			tx.Effect("slack.im.opened", who)
		}
		return nil
	})
	if err != nil {
		return nil, "internal_error"
	}
	return map[string]any{"channel": c, "no_op": already, "already_open": already}, refused
}

// reachable says why a channel can't be used, if so.
func reachable(tx *ledger.Tx, name string) string {
	c, ok := ledger.Get[channel](tx, channelsBucket, name)
	switch {
	case !ok:
		return "channel_not_found"
	case !c.Member:
		return "not_in_channel"
	}
	return ""
}

var eventType = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (d *Double) post(in url.Values) (answer map[string]any, refused string) {
	var metadata json.RawMessage
	if raw := in.Get("metadata"); raw != "" {
		var m struct {
			Type    string         `json:"event_type"`
			Payload map[string]any `json:"event_payload"`
		}
		if json.Unmarshal([]byte(raw), &m) != nil || !eventType.MatchString(m.Type) || m.Payload == nil {
			return nil, "invalid_metadata_format"
		}
		metadata = json.RawMessage(raw)
	}
	text := in.Get("text")
	switch {
	case text == "":
		return nil, "no_text"
	case len([]rune(text)) > longestText:
		return nil, "msg_too_long"
	}
	err := d.Ledger.Update(func(tx *ledger.Tx) error {
		where := in.Get("channel")
		if refused = reachable(tx, where); refused != "" {
			return nil
		}
		if c, _ := ledger.Get[channel](tx, channelsBucket, where); c.Archived {
			refused = "is_archived"
			return nil
		}
		m := Message{Type: "message", Channel: where, TS: tick(tx), BotID: botID, User: botUser, Text: text, Metadata: metadata}
		tx.Put(messagesBucket, where+"/"+m.TS, m)
		tx.Effect("slack.message.posted", where)
		answer = map[string]any{"channel": where, "ts": m.TS, "message": m}
		return nil
	})
	if err != nil {
		return nil, "internal_error"
	}
	return answer, refused
}

// history is newest first, in pages.
func (d *Double) history(in url.Values) (answer map[string]any, refused string) {
	limit := 100
	if raw := in.Get("limit"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > 999 {
			return nil, "invalid_limit"
		}
		limit = n
	}
	oldest := in.Get("oldest")
	if _, err := strconv.ParseFloat(oldest, 64); oldest != "" && err != nil {
		return nil, "invalid_ts_oldest"
	}
	cursor := in.Get("cursor") // the time stamp before which the page begins
	if _, err := strconv.ParseFloat(cursor, 64); cursor != "" && err != nil {
		return nil, "invalid_cursor"
	}
	d.Ledger.View(func(tx *ledger.Tx) {
		if refused = reachable(tx, in.Get("channel")); refused != "" {
			return
		}
		all := ledger.All[Message](tx, messagesBucket, in.Get("channel")+"/")
		slices.Reverse(all)
		page, next := []Message{}, ""
		for _, m := range all {
			if cursor != "" && m.TS >= cursor || oldest != "" && m.TS <= oldest {
				continue
			}
			if len(page) == limit {
				next = page[limit-1].TS
				break
			}
			if in.Get("include_all_metadata") != "1" && in.Get("include_all_metadata") != "true" {
				m.Metadata = nil
			}
			page = append(page, m)
		}
		answer = map[string]any{"messages": page, "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}}
	})
	return answer, refused
}

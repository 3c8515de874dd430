// Package slack is a double of the part of Slack's Web API that messages are posted with. Like Slack it says most of what
// it refuses with a 200.
package slack

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

// Buckets of the ledger.
const (
	usersBucket    = "slack.users"    // lower-case e-mail address
	channelsBucket = "slack.channels" // id
	messagesBucket = "slack.messages" // channel id/ts
	clockBucket    = "slack.clock"
)

// Options are what a Double needs.
type Options struct {
	Ledger *ledger.Ledger
	Token  string // of the bot
}

// Double answers as Slack does to an app that is installed in one workspace.
type Double struct {
	Options
	mux *http.ServeMux
}

type user struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Real  string `json:"real_name"`
	Email string `json:"email"`
}

// channel is a public channel, or the conversation with one person.
type channel struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	User     string `json:"user,omitempty"`
	IsIM     bool   `json:"is_im"`
	Member   bool   `json:"is_member"` // the app is
	Archived bool   `json:"is_archived"`
}

// Message is what was posted.
type Message struct {
	Type     string          `json:"type"`
	Channel  string          `json:"channel"`
	TS       string          `json:"ts"`
	BotID    string          `json:"bot_id"`
	User     string          `json:"user"`
	Text     string          `json:"text"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// New makes the double.
func New(o Options) *Double {
	d := &Double{Options: o, mux: http.NewServeMux()}
	for name, method := range map[string]func(url.Values) (map[string]any, string){
		"auth.test": d.test, "chat.postMessage": d.post, "users.lookupByEmail": d.lookup,
		"conversations.open": d.open, "conversations.history": d.history,
	} {
		d.mux.HandleFunc("/api/"+name, func(w http.ResponseWriter, r *http.Request) {
			answer, refused := method(r.Form)
			if refused != "" {
				refuse(w, http.StatusOK, refused)
				return
			}
			answer["ok"] = true
			rest.JSON(w, http.StatusOK, answer)
		})
	}
	return d
}

// ServeHTTP serves the methods of the Web API below /api/.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := read(w, r); err != nil {
		refuse(w, http.StatusOK, "invalid_post_type")
		return
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		refuse(w, http.StatusOK, "unknown_method")
		return
	}
	token, ok := rest.Token(r, "Bearer")
	if !ok {
		token = r.PostForm.Get("token") // never from the query: that would stand in logs
	}
	switch {
	case token == "":
		refuse(w, http.StatusOK, "not_authed")
	case !rest.Same(token, d.Token):
		refuse(w, http.StatusOK, "invalid_auth")
	default:
		d.mux.ServeHTTP(w, r)
	}
}

// read fills the form from whichever type of body Slack takes.
func read(w http.ResponseWriter, r *http.Request) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		r.Body = http.MaxBytesReader(w, r.Body, rest.BodyLimit)
		return r.ParseForm()
	}
	var body map[string]any
	if err := rest.Read(w, r, &body); err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	for name, v := range body {
		text, ok := v.(string)
		if !ok {
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			text = string(raw)
		}
		r.Form.Set(name, text)
	}
	return nil
}

func refuse(w http.ResponseWriter, status int, code string) {
	rest.JSON(w, status, map[string]any{"ok": false, "error": code})
}

// Refuse answers with a status as Slack does when something breaks.
func (d *Double) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	code := "internal_error"
	if status == http.StatusServiceUnavailable {
		code = "service_unavailable"
	}
	refuse(w, status, code)
}

// Limit answers as Slack does when a method is called too often.
func (d *Double) Limit(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration) {
	if status == 0 {
		status = http.StatusTooManyRequests
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(int(retryAfter.Seconds()), 1))) // Slack always says when
	refuse(w, status, "ratelimited")
}

func id(kind, name string) string {
	sum := sha256.Sum256([]byte(name))
	return kind + "0" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:9]
}

// ChannelID is the id of the channel with a name.
func ChannelID(name string) string { return id("C", name) }

// AddUser makes somebody exist without counting it.
func AddUser(tx *ledger.Tx, name, shown, email string) {
	tx.Put(usersBucket, strings.ToLower(email), user{ID: id("U", name), Name: name, Real: shown, Email: email})
}

// AddChannel makes a channel exist that our app was invited to, without counting it.
func AddChannel(tx *ledger.Tx, name string) {
	tx.Put(channelsBucket, ChannelID(name), channel{ID: ChannelID(name), Name: name, Member: true})
}

// Handler shows people what was said: GET / lists it, newest first; of one channel or person with ?in=<name>.
func (d *Double) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		list := []said{}
		d.Ledger.View(func(tx *ledger.Tx) {
			names := map[string]string{}
			for _, u := range ledger.All[user](tx, usersBucket, "") {
				names[u.ID] = "@" + u.Name
			}
			for _, c := range ledger.All[channel](tx, channelsBucket, "") {
				names[c.ID] = "#" + c.Name
				if c.IsIM {
					names[c.ID] = names[c.User]
				}
			}
			for _, m := range ledger.All[Message](tx, messagesBucket, "") {
				if in := r.URL.Query().Get("in"); in == "" || in == names[m.Channel] {
					list = append([]said{{names[m.Channel], m}}, list...)
				}
			}
		})
		rest.JSON(w, http.StatusOK, list)
	})
	return mux
}

type said struct {
	In string `json:"in"` // #channel or @person
	Message
}

// tick is the next time stamp: they are unique and grow, as they name messages.
func tick(tx *ledger.Tx) string {
	now := time.Now().UnixMicro()
	if last, _ := ledger.Get[int64](tx, clockBucket, "last"); now <= last {
		now = last + 1
	}
	tx.Put(clockBucket, "last", now)
	return fmt.Sprintf("%d.%06d", now/1e6, now%1e6)
}

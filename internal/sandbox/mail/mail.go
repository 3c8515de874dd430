// Package mail is a mail server that keeps what it is sent, for people to read. Like those that people really have it
// drops a letter that it has under the same Message-ID.
package mail

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/gildway/gildway/internal/sandbox/faults"
	"github.com/gildway/gildway/internal/sandbox/ledger"
	"github.com/gildway/gildway/internal/sandbox/rest"
)

const lettersBucket = "mail.letters" // recipient/Message-ID

// Options are what a Double needs.
type Options struct {
	Ledger   *ledger.Ledger
	User     string // who may send
	Password string
}

// Double is the server.
type Double struct {
	Options
	desk faults.Desk
}

// New makes the double.
func New(o Options) *Double { return &Double{Options: o, desk: faults.Desk{Ledger: o.Ledger}} }

// Serve takes letters until the listener is closed.
func (d *Double) Serve(l net.Listener) error {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{double: d, conn: c}, nil }))
	server.Domain = "mail.acme.example"
	server.AllowInsecureAuth = true // on loopback only
	server.MaxMessageBytes, server.MaxRecipients = rest.BodyLimit, 50
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Handler shows people their letters: GET / lists them, newest first; of one recipient with ?to=<address>.
func (d *Double) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		list := []Letter{}
		d.Ledger.View(func(tx *ledger.Tx) {
			for _, l := range ledger.All[Letter](tx, lettersBucket, "") {
				if to := r.URL.Query().Get("to"); to == "" || strings.EqualFold(to, l.To) {
					list = append(list, l)
				}
			}
		})
		slices.Reverse(list)
		rest.JSON(w, http.StatusOK, list)
	})
	return mux
}

// session is one connection of somebody who sends.
type session struct {
	double  *Double
	conn    *smtp.Conn
	allowed bool
	from    string
	to      []string
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if !rest.Same(user, s.double.User) || !rest.Same(password, s.double.Password) {
			return smtp.ErrAuthFailed
		}
		s.allowed = true
		return nil
	}), nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.allowed {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if local, domain, ok := strings.Cut(to, "@"); !ok || local == "" || domain == "" {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "Bad recipient address syntax"}
	}
	return s.misbehave("RCPT", to, nil, func() error {
		s.to = append(s.to, to)
		return nil
	})
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	letter, err := parse(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	return s.misbehave("DATA", s.to[0], raw, func() error {
		return s.double.Ledger.Update(func(tx *ledger.Tx) error {
			for _, to := range s.to {
				letter.To = to
				if _, there := ledger.Get[Letter](tx, lettersBucket, to+"/"+letter.MessageID); there {
					tx.Effect("mail.dropped", to)
					continue
				}
				tx.Put(lettersBucket, to+"/"+letter.MessageID, letter)
				tx.Effect("mail.delivered", to)
			}
			return nil
		})
	})
}

// misbehave does what was ordered at the desk of faults for the provider smtp, the method RCPT or DATA, and a path of the
// recipient; or else what was asked.
func (s *session) misbehave(method, to string, body []byte, do func() error) error {
	rule, hit, err := s.double.desk.Next("smtp", method, "/"+to, func() string { return string(body) })
	if err != nil {
		return err
	}
	if !hit {
		return do()
	}
	time.Sleep(time.Duration(rule.DelayMs) * time.Millisecond)
	answer := &smtp.SMTPError{Code: rule.Status, EnhancedCode: smtp.EnhancedCode{rule.Status / 100, 3, 0}, Message: "as ordered"}
	switch rule.Kind {
	case faults.Status:
		return answer
	case faults.StatusAfter:
		if err := do(); err != nil {
			return err
		}
		return answer
	case faults.RateLimit:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Too many letters, come back later"}
	case faults.DropBefore:
		return s.conn.Conn().Close()
	case faults.DropAfter:
		return errors.Join(do(), s.conn.Conn().Close())
	default:
		return do()
	}
}

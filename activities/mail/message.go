package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/notice"
)

// page is a letter for programs that show HTML; it needs no styles and no images to be read.
var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body>
<h1 style="font-size:1.2em">{{.Title}}</h1>
{{range .Lines}}<p>{{.}}</p>
{{end}}{{with .DueText}}<p><strong>{{.}}</strong></p>
{{end}}{{with .Link}}<p><a href="{{.}}">{{$.LinkText}}</a></p>
{{end}}<p style="color:#555">Sent by Gildway, because this is yours to know or to decide ({{.Kind}}).</p>
</body>
</html>
`))

type letter struct {
	notice.Notice
	Lines []string
}

// plain is the same for those that don't.
func (l letter) plain() string {
	var parts []string
	for _, p := range []string{l.Title, l.Text, l.DueText()} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if l.Link != "" {
		parts = append(parts, l.LinkText()+": "+l.Link)
	}
	parts = append(parts, "-- \nSent by Gildway, because this is yours to know or to decide ("+string(l.Kind)+").")
	return strings.Join(parts, "\n\n") + "\n"
}

// compose writes a letter. The same delivery always has the same Message-ID, by which mail servers and programs know it
// again.
func (c *Client) compose(d notice.Delivery, now time.Time) (*gomail.Msg, error) {
	l := letter{Notice: d.Notice}
	l.Title = strings.Join(strings.Fields(d.Title), " ") // one line, whatever is in it
	for line := range strings.SplitSeq(d.Text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			l.Lines = append(l.Lines, line)
		}
	}
	var html strings.Builder
	if err := page.Execute(&html, l); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the letter can't be written")
	}
	m := gomail.NewMsg()
	if err := m.FromFormat(c.from.Name, c.from.Address); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "notifications.email.from is not an address")
	}
	if err := m.To(d.Address); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%q is not an e-mail address", d.Address)
	}
	sum := sha256.Sum256([]byte(d.Key + "\x00" + d.Address))
	m.SetMessageIDWithValue(hex.EncodeToString(sum[:16]) + "@" + c.domain)
	m.SetDateWithValue(now)
	m.Subject(l.Title)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	m.SetGenHeaderPreformatted("List-Id", "<"+string(d.Kind)+".gildway."+c.domain+">") // to filter by
	if d.Task != "" {
		m.SetGenHeaderPreformatted("References", "<task-"+d.Task+"@"+c.domain+">") // letters about one run stand together
	}
	m.SetBodyString(gomail.TypeTextPlain, l.plain())
	m.AddAlternativeString(gomail.TypeTextHTML, html.String())
	return m, nil
}

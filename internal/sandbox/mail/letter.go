package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Letter is what somebody finds in their mailbox.
type Letter struct {
	To        string            `json:"to"`
	From      string            `json:"from"`
	Subject   string            `json:"subject"`
	MessageID string            `json:"messageId"`
	At        time.Time         `json:"at"`
	Headers   map[string]string `json:"headers"`
	Text      string            `json:"text"`
	HTML      string            `json:"html,omitempty"`
}

// parse reads a letter, and refuses what strict servers refuse.
func parse(raw []byte) (Letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Letter{}, fmt.Errorf("malformed message: %w", err)
	}
	l := Letter{At: time.Now().UTC(), Headers: map[string]string{}, MessageID: strings.Trim(m.Header.Get("Message-ID"), "<>")}
	words := new(mime.WordDecoder)
	for name, values := range m.Header {
		if len(values) > 1 && (name == "From" || name == "To" || name == "Subject" || name == "Message-Id" || name == "Date") {
			return Letter{}, fmt.Errorf("several %s headers", name)
		}
		if l.Headers[name], err = words.DecodeHeader(values[0]); err != nil {
			return Letter{}, fmt.Errorf("the header %s: %w", name, err)
		}
	}
	l.Subject, l.From = l.Headers["Subject"], l.Headers["From"]
	if _, err := m.Header.Date(); err != nil {
		return Letter{}, fmt.Errorf("the date: %w", err)
	}
	for _, name := range []string{"From", "To"} {
		if _, err := m.Header.AddressList(name); err != nil {
			return Letter{}, fmt.Errorf("the header %s: %w", name, err)
		}
	}
	if !strings.Contains(l.MessageID, "@") {
		return Letter{}, errors.New("the Message-ID is not one")
	}
	return l, l.read(m.Header.Get, m.Body)
}

// read takes the text out of a part, or of the parts in it.
func (l *Letter) read(header func(string) string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		return fmt.Errorf("the content type: %w", err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("a part: %w", err)
			}
			if err := l.read(part.Header.Get, part); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("the text: %w", err)
	}
	plain := strings.ReplaceAll(string(text), "\r\n", "\n")
	switch kind {
	case "text/plain":
		l.Text = plain
	case "text/html":
		l.HTML = plain
	}
	return nil
}

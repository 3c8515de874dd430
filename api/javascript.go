package api

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// asBackstage makes the JSON of the scaffolder's routes that of Backstage, byte for byte: what the generated code
// writes escapes what JavaScript doesn't, and ends with a line break.
func asBackstage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(c.Request().URL.Path, scaffolderBase) {
			c.Response().Writer = &javaScriptWriter{ResponseWriter: c.Response().Writer}
		}
		return next(c)
	}
}

// javaScriptWriter relies on the encoder to write an answer in one piece.
type javaScriptWriter struct{ http.ResponseWriter }

// Unwrap lets http.ResponseController through.
func (w *javaScriptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *javaScriptWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *javaScriptWriter) WriteHeader(status int) {
	if w.isJSON() {
		w.Header().Set(echo.HeaderContentType, backstageJSON)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *javaScriptWriter) Write(text []byte) (int, error) {
	if !w.isJSON() {
		return w.ResponseWriter.Write(text)
	}
	if _, err := w.ResponseWriter.Write(asJavaScript(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (w *javaScriptWriter) isJSON() bool {
	return strings.HasPrefix(w.Header().Get(echo.HeaderContentType), echo.MIMEApplicationJSON)
}

// unescaped are the characters that Go's encoder escapes and JavaScript's doesn't.
var unescaped = map[string]string{"003c": "<", "003e": ">", "0026": "&", "2028": "\u2028", "2029": "\u2029"}

// asJavaScript writes JSON, of Go's encoder, as JSON.stringify does.
func asJavaScript(text []byte) []byte {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if !bytes.Contains(text, []byte(`\u`)) {
		return text
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			break
		}
		out = append(out, text[:at]...)
		text = text[at:]
		if len(text) >= 6 && text[1] == 'u' {
			if plain, ok := unescaped[string(text[2:6])]; ok {
				out, text = append(out, plain...), text[6:]
				continue
			}
		}
		out, text = append(out, text[:2]...), text[2:]
	}
	return append(out, text...)
}

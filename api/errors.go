package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/templates"
)

const scaffolderBase = "/api/scaffolder"

// backstageJSON is the content type of every JSON answer of Backstage.
const backstageJSON = "application/json; charset=utf-8"

// valuesRefused is the one error that Backstage answers in a form of its own.
type valuesRefused []templates.ValueError

func (valuesRefused) Error() string { return "the values are refused by the template's schema" }

// fail is the only place that turns an error into an answer.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		s.Log.Warn("an answer broke off", "request", requestID(c), "route", c.Path(), "error", err)
		return
	}
	if errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		c.Response().Status = 499 // as nginx has it, for the log: nobody is there to read an answer
		return
	}
	var refused valuesRefused
	if errors.As(err, &refused) {
		s.write(c, http.StatusBadRequest, backstageJSON, map[string]any{"errors": refused})
		return
	}
	backstage := strings.HasPrefix(c.Request().URL.Path, scaffolderBase)
	var routing *echo.HTTPError
	if errors.As(err, &routing) && (routing.Code == http.StatusNotFound || routing.Code == http.StatusMethodNotAllowed) && routing.Internal == nil {
		if backstage {
			c.Response().WriteHeader(http.StatusNotFound) // with an empty body, as Backstage does
			return
		}
		f := fault.New(fault.NotFound, "there is nothing at this path")
		if routing.Code == http.StatusMethodNotAllowed {
			f = fault.New(fault.Invalid, "this path has no %s", c.Request().Method)
		}
		s.write(c, routing.Code, problemType, problem(c, f, routing.Code))
		return
	}
	f := faultOf(err)
	status := f.Kind.Status()
	switch {
	case status == http.StatusUnauthorized && f.Cause != nil:
		s.Log.Info("a token was refused", "request", requestID(c), "cause", f.Cause)
	case status == http.StatusInternalServerError:
		s.Log.Error("a request failed", "request", requestID(c), "route", c.Path(), "error", err, "cause", f.Cause)
	case status > http.StatusInternalServerError:
		s.Log.Warn("a request could not be served", "request", requestID(c), "route", c.Path(), "error", err, "cause", f.Cause)
	}
	if f.RetryAfter > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	if backstage {
		s.write(c, backstageStatus(f), backstageJSON, backstageError(c, f))
		return
	}
	if status == http.StatusUnauthorized {
		if page := s.approvePageFor(c); page != "" {
			s.redirect(c, page)
			return
		}
		c.Response().Header().Set("WWW-Authenticate", "Bearer")
	}
	s.write(c, status, problemType, problem(c, f, status))
}

const problemType = "application/problem+json"

// backstageFailure is Backstage's error body, its keys in Backstage's order.
type backstageFailure struct {
	Error struct {
		Name     string          `json:"name"`
		Message  string          `json:"message"`
		Problems []fault.Problem `json:"problems,omitempty"`
	} `json:"error"`
	Request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	} `json:"request"`
	Response struct {
		StatusCode int `json:"statusCode"`
	} `json:"response"`
}

func backstageError(c echo.Context, f *fault.Error) (body backstageFailure) {
	body.Error.Name, body.Error.Message, body.Error.Problems = f.BackstageName(), f.Public, f.Problems
	if errors.Is(f, errNotAnID) {
		body.Error.Name = "Error"
	}
	if f.Kind == fault.Internal && f.Name == "" || errors.Is(f, errNotAnID) {
		body.Error.Message = "An internal error occurred logId=" + requestID(c)
	}
	body.Request.Method, body.Request.URL = c.Request().Method, strings.TrimPrefix(c.Request().URL.RequestURI(), scaffolderBase)
	body.Response.StatusCode = backstageStatus(f)
	return body
}

// errNotAnID is the cause of a fault that Backstage, whose database refuses to compare, answers as its own.
var errNotAnID = errors.New("not a UUID")

// backstageStatus is the status that Backstage has for an error: 500 for a plain one of JavaScript, whatever its kind is here.
func backstageStatus(f *fault.Error) int {
	if f.Name == "Error" || errors.Is(f, errNotAnID) {
		return http.StatusInternalServerError
	}
	return f.Kind.Status()
}

func problem(c echo.Context, f *fault.Error, status int) Problem {
	p := Problem{
		Title: http.StatusText(status), Status: status, Detail: f.Public, Instance: c.Request().URL.Path,
		Kind: string(f.Kind), Request: requestID(c),
	}
	for _, one := range f.Problems {
		raw, _ := json.Marshal(one) // strings and numbers
		p.Problems = append(p.Problems, raw)
	}
	return p
}

// faultOf finds the fault in an error. What the generated code or echo says about a request it can't
// read is the caller's fault.
func faultOf(err error) *fault.Error {
	var known *fault.Error
	var framework *echo.HTTPError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &framework) && framework.Code < http.StatusInternalServerError:
		return fault.Wrap(fault.Invalid, err, "the request can't be read")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, err, "this took too long; try again")
	default:
		return fault.From(err)
	}
}

func (s *Server) write(c echo.Context, status int, contentType string, body any) {
	c.Response().Header().Set(echo.HeaderContentType, contentType)
	c.Response().WriteHeader(status)
	raw, err := plainJSON(body)
	if err == nil {
		_, err = c.Response().Write(raw)
	}
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.Log.Debug("an error answer was not taken", "request", requestID(c), "error", err)
	}
}

// plainJSON writes as JavaScript does: "<" stays "<", and no line break ends it.
func plainJSON(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

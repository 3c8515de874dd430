package api

import (
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

func (s *Server) middleware() []echo.MiddlewareFunc {
	return []echo.MiddlewareFunc{
		identified,
		secured,
		s.crossOrigin(),
		compressed(),
		asBackstage,
		s.observed,
		middleware.RecoverWithConfig(middleware.RecoverConfig{
			DisablePrintStack: true,
			LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
				s.Log.Error("a handler panicked", "request", requestID(c), "route", c.Path(), "error", err, "stack", string(stack))
				return err
			},
		}),
	}
}

// wellFormedID is what a request may be called by whoever sends it.
var wellFormedID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// identified gives each request a name for the answer, the log and errors: the sender's, if it is one that can do no
// harm there.
func identified(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !wellFormedID.MatchString(id) {
			id = uuid.NewString()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// secured sets headers for browsers that are led here by somebody else.
func secured(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

// observed measures and logs a request when it has ended.
func (s *Server) observed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begun := time.Now()
		if err := next(c); err != nil {
			c.Error(err) // writes the answer, so that its status is known here
		}
		status, took := c.Response().Status, time.Since(begun)
		s.metrics.request(c.Request().Method, c.Path(), status, took)
		level := slog.LevelInfo
		if strings.HasSuffix(c.Path(), "z") || c.Path() == "/metrics" { // probes
			level = slog.LevelDebug
		}
		s.Log.Log(c.Request().Context(), level, "request", "request", requestID(c), "method", c.Request().Method, "route", c.Path(),
			"status", status, "took", took, "who", callerOf(c.Request().Context()).Ref)
		return nil
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

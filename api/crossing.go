package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// crossOrigin answers browsers that ask whether a page of another origin may call the scaffolder API, as a portal that
// is served elsewhere does. Credentials are bearer tokens, so cookies are never asked for.
func (s *Server) crossOrigin() echo.MiddlewareFunc {
	return middleware.CORSWithConfig(middleware.CORSConfig{
		Skipper:         func(c echo.Context) bool { return !strings.HasPrefix(c.Request().URL.Path, scaffolderBase) },
		AllowOriginFunc: func(origin string) (bool, error) { return slices.Contains(s.Origins, origin), nil },
		AllowMethods:    []string{http.MethodGet, http.MethodPost, http.MethodOptions},
		AllowHeaders:    []string{"authorization", "content-type", "accept", "last-event-id"},
		ExposeHeaders:   []string{echo.HeaderRetryAfter, echo.HeaderXRequestID},
		MaxAge:          600,
	})
}

// shortest is the smallest answer that is worth compressing, as in Backstage.
const shortest = 1024

// compressed answers in gzip where a client takes it, as Backstage does. Event streams are left as they are: each of
// thousands that are idle would hold a compressor.
func compressed() echo.MiddlewareFunc {
	return middleware.GzipWithConfig(middleware.GzipConfig{
		MinLength: shortest,
		Skipper: func(c echo.Context) bool {
			path := c.Request().URL.Path
			return !strings.HasPrefix(path, scaffolderBase) || strings.HasSuffix(path, "/eventstream")
		},
	})
}

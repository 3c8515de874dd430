package fault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func TestProvider_Answers_BecomeFaults(t *testing.T) {
	t.Parallel()
	soon := strconv.FormatInt(time.Now().Add(30*time.Second).Unix(), 10)
	cases := map[string]struct {
		status int
		header map[string]string
		body   string
		kind   fault.Kind
		least  time.Duration
		most   time.Duration
	}{
		"bad token":            {status: 401, kind: fault.Denied},
		"forbidden":            {status: 403, header: map[string]string{"X-RateLimit-Remaining": "4999"}, kind: fault.Denied},
		"missing":              {status: 404, kind: fault.NotFound},
		"conflict":             {status: 409, kind: fault.Conflict},
		"stale":                {status: 412, kind: fault.Conflict},
		"unprocessable":        {status: 422, kind: fault.Invalid},
		"broken":               {status: 502, kind: fault.Unavailable},
		"maintenance":          {status: 503, header: map[string]string{"Retry-After": "7"}, kind: fault.Unavailable, least: 7 * time.Second, most: 7 * time.Second},
		"429 with seconds":     {status: 429, header: map[string]string{"Retry-After": "7"}, kind: fault.RateLimited, least: 7 * time.Second, most: 7 * time.Second},
		"429 with epoch":       {status: 429, header: map[string]string{"X-Rate-Limit-Reset": soon, "X-Rate-Limit-Limit": "600"}, kind: fault.RateLimited, least: 25 * time.Second, most: 32 * time.Second},
		"429 of concurrency":   {status: 429, header: map[string]string{"X-Rate-Limit-Reset": soon, "X-Rate-Limit-Limit": "0"}, kind: fault.RateLimited, least: time.Second, most: 10 * time.Second},
		"429 for ages":         {status: 429, header: map[string]string{"Retry-After": "9223372036854775807"}, kind: fault.RateLimited, least: 24 * time.Hour, most: 24 * time.Hour},
		"429 until the end":    {status: 429, header: map[string]string{"X-RateLimit-Reset": "9999999999"}, kind: fault.RateLimited, least: 24 * time.Hour, most: 25 * time.Hour},
		"429 without a word":   {status: 429, kind: fault.RateLimited, least: time.Minute, most: time.Minute},
		"403 primary limit":    {status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": soon}, kind: fault.RateLimited, least: 25 * time.Second, most: 32 * time.Second},
		"403 secondary limit":  {status: 403, body: `{"message":"You have exceeded a Secondary Rate Limit"}`, kind: fault.RateLimited, least: time.Minute, most: time.Minute},
		"403 with Retry-After": {status: 403, header: map[string]string{"Retry-After": "3"}, kind: fault.RateLimited, least: 3 * time.Second, most: 3 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body+r.Header.Get("Authorization"))
			}))
			t.Cleanup(srv.Close)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer canary-77")
			_, err = (&http.Client{Transport: fault.Provider{Name: "Acme"}}).Do(req)
			f := fault.From(err)
			require.Equal(t, c.kind, f.Kind)
			require.GreaterOrEqual(t, f.RetryAfter, c.least)
			require.LessOrEqual(t, f.RetryAfter, c.most)
			require.Contains(t, f.Public, "Acme")
			require.NotContains(t, err.Error()+f.Cause.Error(), "canary-77")
		})
	}
}

func TestProvider_LostConnection_IsUnavailableAndHidesEOF(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(srv.Close)
	_, err := (&http.Client{Transport: fault.Provider{Name: "Acme"}}).Post(srv.URL, "text/plain", nil)
	require.ErrorIs(t, err, fault.Unavailable)
	require.NotErrorIs(t, err, io.EOF)
}

func TestProvider_CancelledCall_KeepsItsReason(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1", nil)
	require.NoError(t, err)
	_, err = (&http.Client{Transport: fault.Provider{Name: "Acme"}}).Do(req)
	require.True(t, errors.Is(err, context.Canceled))
}

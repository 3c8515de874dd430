// Package catalog speaks to a Backstage catalog: it answers who is who for approvals and grants, and
// registers what a run has made.
package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/plan"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says where the catalog is.
type Config struct {
	URL   string // of the catalog API, e.g. https://backstage.acme.com/api/catalog
	Token secrets.Secret
}

// Client calls the catalog API. It connects when it is first used.
type Client struct {
	config Config
	http   *http.Client
}

const (
	provider    = "the catalog"
	answerLimit = 16 << 20
)

// New makes a client. The zero Config is good for declarations only.
func New(config Config) *Client {
	config.URL = strings.TrimSuffix(config.URL, "/")
	return &Client{config: config, http: &http.Client{Transport: fault.Provider{Name: provider}, Timeout: 30 * time.Second}}
}

// call sends a request; into is nil when the answer's body doesn't matter.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	if c.config.URL == "" {
		return fault.New(fault.Invalid, "no catalog is configured; set catalog.url")
	}
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "a request to the catalog can't be written")
		}
		payload = bytes.NewReader(raw)
	}
	target := c.config.URL + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the catalog's URL is not one")
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if !c.config.Token.Empty() {
		r.Header.Set("Authorization", "Bearer "+c.config.Token.Reveal())
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, answerLimit)).Decode(into); err != nil {
		return fault.Wrap(fault.Unavailable, errors.New(err.Error()), "the catalog's answer can't be read")
	}
	return nil
}

// Entity reads an entity as the catalog wrote it. One that isn't there is a NotFound fault.
func (c *Client) Entity(ctx context.Context, ref plan.EntityRef) (json.RawMessage, error) {
	path := "/entities/by-name/" + url.PathEscape(ref.Kind) + "/" + url.PathEscape(ref.Namespace) + "/" + url.PathEscape(ref.Name)
	var entity json.RawMessage
	err := c.call(ctx, http.MethodGet, path, nil, nil, &entity)
	if errors.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.NotFound, err, "the catalog has no entity %s", ref)
	}
	return entity, err
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Template is a template with how it stands with it.
type Template struct {
	Ref         string     `json:"ref"`
	State       string     `json:"state"` // current, outdated or refused
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Owner       string     `json:"owner,omitempty"`
	Type        string     `json:"type,omitempty"`
	Digest      string     `json:"digest,omitempty"`
	Source      string     `json:"source"`
	Place       string     `json:"place,omitempty"`
	BaseURL     string     `json:"baseUrl,omitempty"`
	Refusals    int        `json:"refusals"`
	Warnings    int        `json:"warnings"`
	Steps       int        `json:"steps,omitempty"`
	RefreshedAt *time.Time `json:"refreshedAt,omitempty"`
	Problems    []Finding  `json:"problems,omitempty"`
}

// Finding is something wrong with a template, or with a source of templates.
type Finding struct {
	Severity string `json:"severity"` // refused or warning
	Rule     string `json:"rule"`
	Message  string `json:"message"`
	Fix      string `json:"fix,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Path     string `json:"path,omitempty"`
}

// TemplateVersion is a template as it was at some time.
type TemplateVersion struct {
	Digest   string    `json:"digest"`
	Current  bool      `json:"current"`
	LoadedAt time.Time `json:"loadedAt"`
	Source   string    `json:"source,omitempty"`
	Revision string    `json:"revision,omitempty"`
	Author   string    `json:"author,omitempty"`
}

// TemplateSource is where templates come from.
type TemplateSource struct {
	Name      string     `json:"name"`
	Templates int        `json:"templates"`
	ReadAt    *time.Time `json:"readAt,omitempty"`
	Problems  []Finding  `json:"problems"`
}

// Template finds a template, with its problems, by its ref.
func (c *Client) Template(ctx context.Context, ref string) (Answer[Template], error) {
	var a Answer[Template]
	return a, c.call(ctx, http.MethodGet, templatePath(ref), nil, &a)
}

// TemplateVersions lists the newest versions of a template, a hundred at most.
func (c *Client) TemplateVersions(ctx context.Context, ref string) (Answer[Page[TemplateVersion]], error) {
	var a Answer[Page[TemplateVersion]]
	return a, c.call(ctx, http.MethodGet, templatePath(ref)+"/versions", nil, &a)
}

// refreshTimeout is more than the API takes.
const refreshTimeout = 95 * time.Second

// RefreshTemplates has all sources read now.
func (c *Client) RefreshTemplates(ctx context.Context) (Answer[Page[TemplateSource]], error) {
	var a Answer[Page[TemplateSource]]
	return a, c.callWithin(ctx, refreshTimeout, http.MethodPost, v1+"templates/refresh", nil, &a)
}

// templatePath takes a ref as people write it: [template:][namespace/]name.
func templatePath(ref string) string {
	if _, rest, ok := strings.Cut(ref, ":"); ok {
		ref = rest
	}
	namespace, name, ok := strings.Cut(ref, "/")
	if !ok {
		namespace, name = "default", ref
	}
	return v1 + "templates/" + url.PathEscape(namespace) + "/" + url.PathEscape(name)
}

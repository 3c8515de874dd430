package itsm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
)

// Config says which ServiceNow instance to work in.
type Config struct {
	URL      string // of the instance, e.g. https://acme.service-now.com
	Username string // with Password: basic authentication
	Password secrets.Secret
	Token    secrets.Secret // an OAuth access token; stands over Username
	Table    string         // default sc_task
	States   States         // default: those of sc_task
}

// States are the values of the table's state field; instances change them.
type States struct{ Open, InProgress, Resolved, Cancelled string }

// taskStates are the states of sc_task as ServiceNow ships it.
var taskStates = States{Open: "1", InProgress: "2", Resolved: "3", Cancelled: "4"}

// record is a row of the table. Every value in ServiceNow is a string.
type record struct {
	SysID              string `json:"sys_id"`
	Number             string `json:"number"`
	State              string `json:"state"`
	CorrelationID      string `json:"correlation_id"`
	CorrelationDisplay string `json:"correlation_display"`
	CreatedOn          string `json:"sys_created_on"` // UTC, sorts as text
}

const (
	fields      = "sys_id,number,state,correlation_id,correlation_display,sys_created_on"
	answerLimit = 4 << 20
	provider    = "ServiceNow"
)

// table is the Table API of one table.
type table struct {
	config Config
	http   *http.Client
}

func newTable(config Config) *table {
	config.URL = strings.TrimSuffix(config.URL, "/")
	if config.Table == "" {
		config.Table = "sc_task"
	}
	if config.States == (States{}) {
		config.States = taskStates
	}
	return &table{config: config, http: &http.Client{Transport: fault.Provider{Name: provider}, Timeout: 30 * time.Second}}
}

var sysID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// byCorrelation lists the tickets with a correlation id, oldest first. The field has no unique index.
func (t *table) byCorrelation(ctx context.Context, id string) ([]record, error) {
	var all []record
	query := url.Values{"sysparm_query": {"correlation_id=" + id + "^ORDERBYsys_created_on"}, "sysparm_limit": {"100"}}
	if err := t.call(ctx, http.MethodGet, "", query, nil, &all); err != nil {
		return nil, err
	}
	// A query on a field that the instance doesn't know matches everything.
	all = slices.DeleteFunc(all, func(r record) bool { return r.CorrelationID != id })
	slices.SortStableFunc(all, func(a, b record) int {
		return strings.Compare(a.CreatedOn+a.SysID, b.CreatedOn+b.SysID)
	})
	return all, nil
}

func (t *table) get(ctx context.Context, id string) (record, error) {
	var r record
	if !sysID.MatchString(id) {
		return r, fault.New(fault.Invalid, "%q is not a ticket id", id)
	}
	err := t.call(ctx, http.MethodGet, "/"+id, url.Values{}, nil, &r)
	if errors.Is(err, fault.NotFound) {
		return r, fault.Wrap(fault.NotFound, err, "ServiceNow has no ticket %s, or hides it from us", id)
	}
	return r, err
}

func (t *table) insert(ctx context.Context, values map[string]string) error {
	return t.call(ctx, http.MethodPost, "", url.Values{}, values, nil)
}

func (t *table) update(ctx context.Context, id string, values map[string]string) error {
	return t.call(ctx, http.MethodPatch, "/"+id, url.Values{}, values, nil)
}

// page is where a person sees the ticket.
func (t *table) page(id string) string {
	return t.config.URL + "/nav_to.do?uri=" + url.QueryEscape("/"+t.config.Table+".do?sys_id="+id)
}

func (t *table) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	if t.config.URL == "" {
		return fault.New(fault.Invalid, "no ServiceNow is configured; set servicenow.url")
	}
	query.Set("sysparm_fields", fields)
	query.Set("sysparm_exclude_reference_link", "true")
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "a request to ServiceNow can't be written")
		}
		payload = bytes.NewReader(raw)
	}
	target := t.config.URL + "/api/now/table/" + url.PathEscape(t.config.Table) + path + "?" + query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "servicenow.url is not a URL")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	if !t.config.Token.Empty() {
		r.Header.Set("Authorization", "Bearer "+t.config.Token.Reveal())
	} else {
		r.SetBasicAuth(t.config.Username, t.config.Password.Reveal())
	}
	answer, err := t.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	// An instance that sleeps or is maintained answers 200 with a page for people.
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return fault.New(fault.Unavailable, "the ServiceNow instance is asleep or under maintenance")
	}
	if into == nil {
		return nil
	}
	envelope := struct {
		Result any `json:"result"`
	}{into}
	if err := json.NewDecoder(io.LimitReader(answer.Body, answerLimit)).Decode(&envelope); err != nil {
		return fault.Wrap(fault.Unavailable, errors.New(err.Error()), "ServiceNow's answer can't be read")
	}
	return nil
}

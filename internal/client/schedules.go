package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// NewSchedule asks for regular runs of a template.
type NewSchedule struct {
	ID       string          `json:"id,omitempty"` // "" makes one up
	Template string          `json:"template"`
	Values   json.RawMessage `json:"values"`
	Cron     string          `json:"cron"`
	TimeZone string          `json:"timezone,omitempty"`
	Overlap  string          `json:"overlap,omitempty"`
}

// Schedule runs a template regularly.
type Schedule struct {
	ID        string     `json:"id"`
	Template  string     `json:"template"`
	Owner     string     `json:"owner"`
	Cron      string     `json:"cron"`
	TimeZone  string     `json:"timezone"`
	Overlap   string     `json:"overlap"`
	PausedAt  *time.Time `json:"pausedAt"`
	Problem   string     `json:"problem"` // why it could run nothing, the last time
	ProblemAt *time.Time `json:"problemAt"`
}

// ScheduleDetails are a schedule with when it runs next and what it has run, newest first.
type ScheduleDetails struct {
	Schedule
	Values json.RawMessage `json:"values"`
	Next   []time.Time     `json:"next"`
	Tasks  []TaskLine      `json:"tasks"`
}

// CreateSchedule begins to run a template regularly. The same request with the same id gives the same schedule.
func (c *Client) CreateSchedule(ctx context.Context, n NewSchedule) (a Answer[Schedule], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"schedules", n, &a)
}

// Schedule gives one schedule.
func (c *Client) Schedule(ctx context.Context, id string) (a Answer[ScheduleDetails], err error) {
	return a, c.call(ctx, http.MethodGet, v1+"schedules/"+url.PathEscape(id), nil, &a)
}

// TellSchedule asks a schedule to pause, to resume, or to run now.
func (c *Client) TellSchedule(ctx context.Context, id, what string) (a Answer[Schedule], err error) {
	return a, c.call(ctx, http.MethodPost, v1+"schedules/"+url.PathEscape(id)+"/"+what, nil, &a)
}

// DeleteSchedule ends a schedule. What it has begun goes on.
func (c *Client) DeleteSchedule(ctx context.Context, id string) (a Answer[Schedule], err error) {
	return a, c.call(ctx, http.MethodDelete, v1+"schedules/"+url.PathEscape(id), nil, &a)
}

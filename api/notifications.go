package api

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gildway/gildway/internal/notice"
	"github.com/gildway/gildway/internal/store"
)

type noticeStore interface {
	Notices(ctx context.Context, refs []string, before int64, limit int) ([]store.Told, error)
	// Backlogs tells for each channel what waits to be sent and what was given up.
	Backlogs(ctx context.Context) ([]notice.Backlog, error)
}

// noticeMetrics tell how it stands with what people are to be told, at the moment somebody asks: all replicas say the same.
type noticeMetrics struct{ *Server }

var (
	waitingGauge = prometheus.NewDesc("gildway_notices_waiting", "Notices that a channel has yet to send.", []string{"channel"}, nil)
	givenUpGauge = prometheus.NewDesc("gildway_notices_given_up", "Notices of the last 90 days that could not be sent.", []string{"channel"}, nil)
)

const countWithin = 5 * time.Second

// Describe implements prometheus.Collector.
func (noticeMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- waitingGauge
	to <- givenUpGauge
}

// Collect implements prometheus.Collector.
func (m noticeMetrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countWithin)
	defer cancel()
	list, err := m.Store.Backlogs(ctx)
	if err != nil {
		m.Log.Warn("notices can't be counted", "error", err)
		return
	}
	for _, b := range list {
		to <- prometheus.MustNewConstMetric(waitingGauge, prometheus.GaugeValue, float64(b.Waiting), b.Channel)
		to <- prometheus.MustNewConstMetric(givenUpGauge, prometheus.GaugeValue, float64(b.GivenUp), b.Channel)
	}
}

// ListNotifications implements the route.
func (h handlers) ListNotifications(ctx context.Context, r ListNotificationsRequestObject) (ListNotificationsResponseObject, error) {
	page, err := pageOf(r.Params.Limit, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	if err := h.learnGroups(ctx, &caller); err != nil {
		return nil, err
	}
	found, err := h.Store.Notices(ctx, append([]string{caller.Ref}, caller.Groups...), page.before, page.limit+1)
	if err != nil {
		return nil, err
	}
	list := ListNotifications200JSONResponse{Items: []Notification{}}
	for i, n := range found {
		if i == page.limit {
			list.Next = strconv.FormatInt(found[i-1].Seq, 10)
			break
		}
		list.Items = append(list.Items, Notification{
			Kind: string(n.Kind), To: n.To, Title: n.Title, Text: n.Text, Task: n.Task, Link: n.Link, Due: momentOf(n.Due), At: moment(n.At),
		})
	}
	return list, nil
}

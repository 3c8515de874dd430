package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gildway/gildway/internal/fault"
)

func (h handlers) Health(context.Context, HealthRequestObject) (HealthResponseObject, error) {
	return Health200JSONResponse{Status: "ok"}, nil
}

// Ready asks the database alone: tasks are accepted while Temporal is down. A server that was asked to
// stop is not ready.
func (h handlers) Ready(ctx context.Context, _ ReadyRequestObject) (ReadyResponseObject, error) {
	if h.leaving.Load() {
		return nil, fault.New(fault.Unavailable, "this server is about to stop")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := h.Store.Ping(ctx); err != nil {
		return nil, err
	}
	ready := Ready200JSONResponse{Status: "ok"}
	if h.OpenDoors {
		ready.Warnings = []string{openDoors}
	}
	return ready, nil
}

// openDoors is what an operator has to know who finds the service like that.
const openDoors = "sign-in is switched off (auth.dangerouslyDisableSignIn): everybody who can reach this API is " +
	"user:default/guest; never run it like this where others can reach it"

func (h handlers) Openapi(context.Context, OpenapiRequestObject) (OpenapiResponseObject, error) {
	return document(h.document), nil
}

// document is written as it is: the generated answer would encode it once more.
type document []byte

func (d document) VisitOpenapiResponse(w http.ResponseWriter) error { return d.write(w) }

func (h handlers) ScaffolderOpenapi(context.Context, ScaffolderOpenapiRequestObject) (ScaffolderOpenapiResponseObject, error) {
	return document(h.document), nil
}

func (d document) VisitScaffolderOpenapiResponse(w http.ResponseWriter) error { return d.write(w) }

func (d document) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(d)
	return err
}

func (h handlers) Metrics(ctx context.Context, _ MetricsRequestObject) (MetricsResponseObject, error) {
	return exposition{ctx, h.metrics.handler}, nil
}

type exposition struct {
	ctx     context.Context
	handler http.Handler
}

func (e exposition) VisitMetricsResponse(w http.ResponseWriter) error {
	r, err := http.NewRequestWithContext(e.ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	e.handler.ServeHTTP(w, r)
	return nil
}

type metrics struct {
	handler  http.Handler
	requests *prometheus.HistogramVec
	streams  prometheus.Gauge
}

func newMetrics(more ...prometheus.Collector) *metrics {
	registry := prometheus.NewRegistry() // of this server's own: two in one process don't mix
	m := &metrics{
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gildway_http_request_duration_seconds", Help: "Time to answer a request; a stream counts until it ends.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"method", "route", "status"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gildway_event_streams", Help: "Event streams that are open."}),
	}
	registry.MustRegister(m.requests, m.streams, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(more...)
	return m
}

var knownMethods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true, http.MethodPatch: true,
	http.MethodDelete: true, http.MethodOptions: true,
}

func (m *metrics) request(method, route string, status int, took time.Duration) {
	if route == "" || status == http.StatusNotFound && route == "/*" {
		route = "unknown"
	}
	if !knownMethods[method] { // anybody can make one up, and each would be kept for ever
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

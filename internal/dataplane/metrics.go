package dataplane

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
)

// metrics of the data plane. No label has a value that a client chooses.
type metrics struct {
	requests      *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	partsInFlight prometheus.Gauge
	partsLimit    prometheus.Gauge
	buffered      prometheus.Gauge
	bufferedLimit prometheus.Gauge
	received      prometheus.Counter
	sent          prometheus.Counter
	rejected      *prometheus.CounterVec
	progress      *prometheus.CounterVec
	waiting       prometheus.Gauge
	waitingLimit  prometheus.Gauge
	waits         *prometheus.CounterVec

	connections        prometheus.Gauge
	connectionsLimit   prometheus.Gauge
	connectionsWaiting prometheus.Gauge
	connectionsClosed  *prometheus.CounterVec
}

// Budgets of a replica, as the label of refusals names them.
const (
	budgetParts    = "parts_in_flight"
	budgetBuffers  = "buffered_bytes"
	budgetSearches = "searches"
	budgetStarts   = "starts"
	budgetLooks    = "second_looks"
	budgetWaiting  = "waiting"
)

// How a wait ends, as the metric names it.
const (
	waitServed  = "served"
	waitRefused = "refused"
)

// newMetrics registers the metrics. A second server of one process, as in tests, shares those of
// the first.
func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "iotfile_http_requests_total", Help: "HTTP requests by route, method and status code.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "iotfile_http_request_duration_seconds", Help: "Time from the header of a request to the end of its answer.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}, []string{"route"}),
		partsInFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "iotfile_parts_in_flight", Help: "Parts that are being streamed to object storage now.",
		}),
		partsLimit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "iotfile_parts_in_flight_limit", Help: "How many parts this replica streams at once at most (--max-parts-in-flight).",
		}),
		buffered: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "iotfile_buffered_bytes", Help: "Memory that is set aside now for the buffers of parts and downloads.",
		}),
		bufferedLimit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "iotfile_buffered_bytes_limit", Help: "How much memory buffers of parts and downloads take on this replica at most: enough for as many of both as --max-parts-in-flight.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "iotfile_http_received_bytes_total", Help: "Bytes of request bodies.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "iotfile_http_sent_bytes_total", Help: "Bytes of response bodies.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "iotfile_budget_refusals_total", Help: "Requests that were answered 503 because a budget of this replica, or the namespace's share of it, was used up, by budget.",
		}, []string{"budget"}),
		progress: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "iotfile_progress_updates_total", Help: "Attempts to write status.progress, by result.",
		}, []string{"result"}),
	}
	m.addWaits()
	m.addConnections()
	for _, budget := range []string{budgetParts, budgetBuffers, budgetSearches, budgetStarts, budgetLooks, budgetWaiting} {
		m.rejected.WithLabelValues(budget) // from the start, or the first refusal would be no increase
	}
	if registerer == nil {
		return m, nil
	}
	var errs []error
	m.requests = register(registerer, m.requests, &errs)
	m.duration = register(registerer, m.duration, &errs)
	m.partsInFlight = register(registerer, m.partsInFlight, &errs)
	m.partsLimit = register(registerer, m.partsLimit, &errs)
	m.buffered = register(registerer, m.buffered, &errs)
	m.bufferedLimit = register(registerer, m.bufferedLimit, &errs)
	m.received = register(registerer, m.received, &errs)
	m.sent = register(registerer, m.sent, &errs)
	m.rejected = register(registerer, m.rejected, &errs)
	m.progress = register(registerer, m.progress, &errs)
	m.waiting = register(registerer, m.waiting, &errs)
	m.waitingLimit = register(registerer, m.waitingLimit, &errs)
	m.waits = register(registerer, m.waits, &errs)
	m.connections = register(registerer, m.connections, &errs)
	m.connectionsLimit = register(registerer, m.connectionsLimit, &errs)
	m.connectionsWaiting = register(registerer, m.connectionsWaiting, &errs)
	m.connectionsClosed = register(registerer, m.connectionsClosed, &errs)
	return m, errors.Join(errs...)
}

// addWaits makes the metrics of requests that wait.
func (m *metrics) addWaits() {
	m.waiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "iotfile_waiting_requests", Help: "Requests that wait for a place, or for a store that is away for a moment. Nothing of their bodies is read.",
	})
	m.waitingLimit = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "iotfile_waiting_requests_limit", Help: "How many requests wait on this replica at most; more are refused at once.",
	})
	m.waits = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "iotfile_waits_total", Help: "Requests that had to wait for a place, or for a store that was away, by outcome (served, refused).",
	}, []string{"outcome"})
	for _, outcome := range []string{waitServed, waitRefused} {
		m.waits.WithLabelValues(outcome)
	}
}

// addConnections makes the metrics of connections.
func (m *metrics) addConnections() {
	m.connections = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "iotfile_connections", Help: "TCP connections of clients that have a place on this replica.",
	})
	m.connectionsLimit = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "iotfile_connections_limit", Help: "How many connections have a place on this replica at most: one for each 896 KiB of the memory limit, two for each of --max-parts-in-flight at least.",
	})
	m.connectionsWaiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "iotfile_connections_waiting", Help: "TCP connections that wait for a place.",
	})
	m.connectionsClosed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "iotfile_connections_closed_total",
		Help: "Connections that were closed at the limit, by reason: idle and unproven ones made room, no_place waited in vain.",
	}, []string{"reason"})
	for _, reason := range []connlimit.Reason{connlimit.Idle, connlimit.Unproven, connlimit.NoPlace} {
		m.connectionsClosed.WithLabelValues(string(reason))
	}
}

func register[C prometheus.Collector](registerer prometheus.Registerer, c C, errs *[]error) C {
	err := registerer.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	if err != nil {
		*errs = append(*errs, err)
	}
	return c
}

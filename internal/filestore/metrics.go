package filestore

import (
	"context"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of all Stores of a process. Labels are bounded: store is the name of a
// FileStore, operation a method of Store, outcome one of the values of Outcome.
type Metrics struct {
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	bytes    *prometheus.CounterVec
	silent   *prometheus.GaugeVec
}

// NewMetrics registers the metrics; it panics if they are registered already.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "iotfile_store_request_duration_seconds",
			Help: "How long calls to object storage took, by their outcome. Of Open, until the first byte can be read.",
			// From an answer over loopback to the assembly of a file of many gigabytes.
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}, []string{"store", "operation", "outcome"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iotfile_store_requests_in_flight",
			Help: "Calls to object storage that are under way.",
		}, []string{"store", "operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "iotfile_store_bytes_total",
			Help: "Payload bytes moved to (sent) and from (received) object storage, those of failed calls included.",
		}, []string{"store", "direction"}),
		silent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iotfile_store_silent",
			Help: "1 while object storage says nothing to this process, which then asks it one question at a time and fails all other calls at once.",
		}, []string{"store"}),
	}
	registerer.MustRegister(m.duration, m.inFlight, m.bytes, m.silent)
	return m
}

// outcomes name the kinds of errors for metrics, in the order in which they are looked for.
var outcomes = []struct {
	kind error
	name string
}{
	{ErrNoSuchUpload, "no_such_upload"},
	{ErrNotFound, "not_found"},
	{ErrPrecondition, "precondition"},
	{ErrInvalidParts, "invalid_parts"},
	{ErrPartSize, "part_size"},
	{ErrIncompleteBody, "incomplete_body"},
	{ErrChecksum, "checksum"},
	{ErrRange, "range"},
	{ErrInvalidKey, "invalid_key"},
	{ErrBucketNotFound, "bucket_not_found"},
	{ErrAccessDenied, "access_denied"},
	{ErrIntegrityUnsupported, "integrity_unsupported"},
	{ErrRejected, "rejected"},
	{ErrBusy, "busy"},
	{ErrUnavailable, "unavailable"},
	{context.Canceled, "canceled"},
}

// Outcome names err for a metric label: "success", one name for each kind of error of this package,
// "canceled" or "other".
func Outcome(err error) string {
	if err == nil {
		return "success"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.kind) {
			return o.name
		}
	}
	return "other"
}

// meter has the metrics of one FileStore. That of no Metrics, nil, counts nothing.
type meter struct {
	*Metrics
	name           string
	sent, received prometheus.Counter
	silent         prometheus.Gauge
}

func (m *Metrics) of(name string) *meter {
	if m == nil {
		return nil
	}
	return &meter{
		Metrics: m, name: name, silent: m.silent.WithLabelValues(name),
		sent: m.bytes.WithLabelValues(name, "sent"), received: m.bytes.WithLabelValues(name, "received"),
	}
}

// begin counts a call; end is called once with the error that it returns.
func (m *meter) begin(operation string) (end func(error)) {
	if m == nil {
		return func(error) {}
	}
	start := time.Now()
	inFlight := m.inFlight.WithLabelValues(m.name, operation)
	inFlight.Inc()
	return func(err error) {
		inFlight.Dec()
		m.duration.WithLabelValues(m.name, operation, Outcome(err)).Observe(time.Since(start).Seconds())
	}
}

// sending counts what is read of body. done is called once when nobody reads it any more.
func (m *meter) sending(body io.Reader) (counted io.Reader, done func()) {
	if m == nil {
		return body, func() {}
	}
	r := &countingReader{Reader: body}
	return r, func() { m.sent.Add(float64(r.n)) }
}

// receiving counts what is read of body.
func (m *meter) receiving(body io.ReadCloser) io.ReadCloser {
	if m == nil {
		return body
	}
	return &countedBody{ReadCloser: body, total: m.received}
}

// tell notes whether object storage is silent.
func (m *meter) tell(silent bool) {
	if m == nil {
		return
	}
	m.silent.Set(0)
	if silent {
		m.silent.Set(1)
	}
}

// countingReader counts what is read; n may be looked at when nobody reads any more.
type countingReader struct {
	io.Reader
	n int64
}

// Read implements io.Reader.
func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += int64(n)
	return n, err
}

// Running implements Summing.
func (r *countingReader) Running(algorithm string) hash.Hash { return Running(r.Reader, algorithm) }

// countedBody adds what is read to a counter.
type countedBody struct {
	io.ReadCloser
	total prometheus.Counter
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.total.Add(float64(n))
	return n, err
}

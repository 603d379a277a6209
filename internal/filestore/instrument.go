package filestore

import (
	"context"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
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

// Silent gives what Guard tells of the FileStore of that name.
func (m *Metrics) Silent(name string) func(silent bool) {
	gauge := m.silent.WithLabelValues(name)
	return func(silent bool) {
		gauge.Set(0)
		if silent {
			gauge.Set(1)
		}
	}
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

// Instrument wraps a Store so that its calls are counted. name is that of the FileStore. Closing
// the result closes store.
func (m *Metrics) Instrument(name string, store Store) Store {
	return &instrumented{Store: store, name: name, m: m, sent: m.bytes.WithLabelValues(name, "sent"), received: m.bytes.WithLabelValues(name, "received")}
}

type instrumented struct {
	Store
	name           string
	m              *Metrics
	sent, received prometheus.Counter
}

// begin counts a call; the caller defers end with the address of the error that the call returns.
func (i *instrumented) begin(operation string) (end func(*error)) {
	start := time.Now()
	inFlight := i.m.inFlight.WithLabelValues(i.name, operation)
	inFlight.Inc()
	return func(err *error) {
		inFlight.Dec()
		i.m.duration.WithLabelValues(i.name, operation, Outcome(*err)).Observe(time.Since(start).Seconds())
	}
}

// PutPart implements PartWriter.
func (i *instrumented) PutPart(ctx context.Context, ref UploadRef, number int32, body io.Reader, size int64) (part Part, err error) {
	counted := &countingReader{Reader: body}
	end := i.begin("PutPart")
	defer func() {
		end(&err)
		i.sent.Add(float64(counted.n)) // body is not read any more
	}()
	return i.Store.PutPart(ctx, ref, number, counted, size)
}

// ListParts implements PartLister.
func (i *instrumented) ListParts(ctx context.Context, ref UploadRef) (parts []Part, err error) {
	defer i.begin("ListParts")(&err)
	return i.Store.ListParts(ctx, ref)
}

// CreateUpload implements Lifecycle.
func (i *instrumented) CreateUpload(ctx context.Context, key string, opts CreateUploadOptions) (id string, err error) {
	defer i.begin("CreateUpload")(&err)
	return i.Store.CreateUpload(ctx, key, opts)
}

// CompleteUpload implements Lifecycle.
func (i *instrumented) CompleteUpload(ctx context.Context, ref UploadRef, parts []Part, cond Condition) (object Object, err error) {
	defer i.begin("CompleteUpload")(&err)
	return i.Store.CompleteUpload(ctx, ref, parts, cond)
}

// AbortUpload implements Lifecycle.
func (i *instrumented) AbortUpload(ctx context.Context, ref UploadRef) (err error) {
	defer i.begin("AbortUpload")(&err)
	return i.Store.AbortUpload(ctx, ref)
}

// ListUploads implements Lifecycle.
func (i *instrumented) ListUploads(ctx context.Context, prefix string, yield func(Upload) bool) (err error) {
	defer i.begin("ListUploads")(&err)
	return i.Store.ListUploads(ctx, prefix, yield)
}

// Stat implements Reader.
func (i *instrumented) Stat(ctx context.Context, key string) (object Object, err error) {
	defer i.begin("Stat")(&err)
	return i.Store.Stat(ctx, key)
}

// Open implements Reader.
func (i *instrumented) Open(ctx context.Context, seen Object, rng ByteRange) (body io.ReadCloser, err error) {
	defer i.begin("Open")(&err)
	body, err = i.Store.Open(ctx, seen, rng)
	if err != nil {
		return nil, err
	}
	return &countedBody{ReadCloser: body, total: i.received}, nil
}

// PutObject implements ObjectWriter.
func (i *instrumented) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts CreateUploadOptions, cond Condition) (object Object, err error) {
	counted := &countingReader{Reader: body}
	end := i.begin("PutObject")
	defer func() {
		end(&err)
		i.sent.Add(float64(counted.n)) // body is not read any more
	}()
	return i.Store.PutObject(ctx, key, counted, size, opts, cond)
}

// DeleteObject implements ObjectWriter.
func (i *instrumented) DeleteObject(ctx context.Context, key string) (err error) {
	defer i.begin("DeleteObject")(&err)
	return i.Store.DeleteObject(ctx, key)
}

// ListObjects implements ObjectLister.
func (i *instrumented) ListObjects(ctx context.Context, prefix, after string, yield func(Object) bool) (err error) {
	defer i.begin("ListObjects")(&err)
	return i.Store.ListObjects(ctx, prefix, after, yield)
}

// Probe implements Prober.
func (i *instrumented) Probe(ctx context.Context) (caps v1alpha1.FileStoreCapabilities, err error) {
	defer i.begin("Probe")(&err)
	return i.Store.Probe(ctx)
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

// Claim implements Prober.
func (i *instrumented) Claim(ctx context.Context, id string) (owner string, err error) {
	defer i.begin("Claim")(&err)
	return i.Store.Claim(ctx, id)
}

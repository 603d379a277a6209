package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// collector takes spans as an OpenTelemetry collector does: OTLP over HTTP, as protobuf.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	raw   bytes.Buffer
	spans []*tracev1.Span
	names []string // of the services
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collectortrace.ExportTraceServiceRequest
		if err := errors.Join(err, proto.Unmarshal(body, &request)); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("the operator sends %s to %s: %v", r.Header.Get("Content-Type"), r.URL.Path, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.take(body, &request)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(body []byte, request *collectortrace.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	for _, resource := range request.GetResourceSpans() {
		c.names = append(c.names, attributeOf(resource.GetResource().GetAttributes(), "service.name"))
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// of returns the spans of a trace, by name.
func (c *collector) of(trace string) map[string]*tracev1.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]*tracev1.Span{}
	for _, span := range c.spans {
		if fmt.Sprintf("%x", span.GetTraceId()) == trace {
			found[span.GetName()] = span
		}
	}
	return found
}

func attributeOf(attributes []*commonv1.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

const (
	callersSpan = "00f067aa0ba902b7"
	sampled     = "-" + callersSpan + "-01"
)

// TestTraces: a caller's trace goes on in the operator, to object storage and the API server, and
// its log lines name it; bodies arrive as they are, and no secret goes along.
func TestTraces(t *testing.T) {
	c := startCollector(t)
	useOperator(t, func(o *devcluster.OperatorOptions) {
		o.Env = append(slices.Clone(o.Env), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_SERVICE_NAME=files-of-test")
	})
	tn := system.tenants[0]
	tn.waitReady(t)
	f := tn.newFile("kept-from-traces/file.bin")
	content := random(partSize + 10)
	trace := func(i int) string { return fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e47%02x", i) }
	in := func(i int) []string { return []string{"traceparent", "00-" + trace(i) + sampled} }
	f.must(t, 201, http.MethodPut, "?upload=start", nil, in(1)...)
	part := f.must(t, 201, http.MethodPut, "?part=1", content[:partSize], in(2)...)
	f.must(t, 201, http.MethodPut, "?upload=complete", content[partSize:], in(3)...)
	f.checkContent(t, content)
	missing := tn.newFile("missing").must(t, 404, http.MethodGet, "", nil, in(4)...)

	eventually(t, "the spans arrive", func() error {
		return errors.Join(c.expect(trace(1), "PUT start", "HTTP POST"), c.expect(trace(2), "PUT part", "store PutPart"), c.expect(trace(3), "PUT complete", "store PutPart"), c.expect(trace(4), "GET download", "store Stat"), c.reconciled())
	})
	spans := c.of(trace(2))
	if parent := fmt.Sprintf("%x", spans["PUT part"].GetParentSpanId()); parent != callersSpan {
		t.Errorf("the request's parent is %s, not the caller", parent)
	}
	if !bytes.Equal(spans["store PutPart"].GetParentSpanId(), spans["PUT part"].GetSpanId()) {
		t.Error("the call of object storage is no child of the request")
	}
	for i, a := range map[int]*answer{2: part, 4: missing} {
		lines := logLines(t, a.header.Get("X-Request-Id"))
		if len(lines) != 1 || lines[0]["trace"] != trace(i) {
			t.Errorf("the log lines of trace %s are %v", trace(i), lines)
		}
	}
	if id := attributeOf(c.of(trace(4))["GET download"].GetAttributes(), "iotfile.request.id"); id != missing.header.Get("X-Request-Id") {
		t.Errorf("the span has the request id %q, the client %q", id, missing.header.Get("X-Request-Id"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.names, func(name string) bool { return name != "files-of-test" }) {
		t.Errorf("the spans are of the services %q", c.names)
	}
	for _, secret := range []string{tn.token, tn.store.SecretKey, tn.store.AccessKey, "kept-from-traces/file.bin"} {
		if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("%q is sent with the spans", secret)
		}
	}
}

// expect reports whether spans of these names are in a trace.
func (c *collector) expect(trace string, names ...string) error {
	spans := c.of(trace)
	for _, name := range names {
		if spans[name] == nil {
			return fmt.Errorf("trace %s has no span %s among %d", trace, name, len(spans))
		}
	}
	return nil
}

// reconciled reports whether there is a pass of the reconciler that has completed an upload.
func (c *collector) reconciled() error {
	c.mu.Lock()
	var trace string
	for _, span := range c.spans {
		if span.GetName() == "store CompleteUpload" {
			trace = fmt.Sprintf("%x", span.GetTraceId())
		}
	}
	c.mu.Unlock()
	return c.expect(trace, "store CompleteUpload", "reconcile multipartupload")
}

// TestTracesOff: where the environment says so nothing is sent, and the log names no traces,
// although the caller has one.
func TestTracesOff(t *testing.T) {
	c := startCollector(t)
	useOperator(t, func(o *devcluster.OperatorOptions) {
		o.Env = append(slices.Clone(o.Env), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_SDK_DISABLED=true")
	})
	tn := system.tenants[0]
	tn.waitReady(t)
	a := tn.newFile("x").must(t, 404, http.MethodGet, "", nil, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736"+sampled)
	lines := logLines(t, a.header.Get("X-Request-Id"))
	if len(lines) != 1 || lines[0]["trace"] != nil {
		t.Errorf("the log lines are %v", lines)
	}
	check(t, system.operator.Stop()) // which would send what is left
	if c.mu.Lock(); len(c.spans) > 0 {
		t.Errorf("%d spans were sent", len(c.spans))
	}
	c.mu.Unlock()
}

// logLines are those of the system's operator with an id. Every line of its log has to be JSON,
// with the keys that all have; but for what builds with failpoints write, which have the same log
// in a run of all tests.
func logLines(t *testing.T, id string) (found []map[string]any) {
	t.Helper()
	eventually(t, "the log line is written", func() error {
		found = nil
		data, err := os.ReadFile(system.operator.LogPath)
		if err != nil {
			return err
		}
		for _, text := range strings.Split(strings.TrimSpace(string(data)), "\n") {
			if strings.HasPrefix(text, "failpoint: ") {
				continue
			}
			var line map[string]any
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				return fmt.Errorf("%q is no JSON: %w", text, err)
			}
			for _, key := range []string{"level", "ts", "msg"} {
				if line[key] == nil {
					return fmt.Errorf("%q has no %s", text, key)
				}
			}
			if line["id"] == id {
				found = append(found, line)
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("no line has the id %s", id)
		}
		return nil
	})
	return found
}

// TestErrorsLeadToTheLog: the id that a client is given stands in one log line, beside the status
// and the cause, of each of many errors in one second.
func TestErrorsLeadToTheLog(t *testing.T) {
	tn := system.tenants[0]
	tn.waitReady(t)
	f := tn.newFile("x")
	stranger := *tn
	stranger.token = "none"
	requests := []struct {
		f             *file
		method, query string
		status        int
	}{
		{f, http.MethodPut, "?part=0", 400}, {stranger.newFile("x"), http.MethodGet, "", 401}, {f, http.MethodGet, "", 404}, {f, http.MethodPost, "", 405}, {f, http.MethodPut, "?upload=complete", 409},
	}
	const times = 60 // 300 errors, of which a log that is thinned out would drop most
	type told struct {
		id     string
		status int
	}
	var mu sync.Mutex
	var all []told
	var group errgroup.Group
	group.SetLimit(16)
	for range times {
		for _, r := range requests {
			group.Go(func() error {
				a, err := r.f.do(t.Context(), r.method, r.f.url("files", r.query), nil)
				if err != nil {
					return err
				}
				var body struct{ ID string }
				if err := json.Unmarshal(a.body, &body); err != nil || a.status != r.status || body.ID == "" || body.ID != a.header.Get("X-Request-Id") {
					return fmt.Errorf("%s %s: %d %s, X-Request-Id %s: %w", r.method, r.query, a.status, a.body, a.header.Get("X-Request-Id"), err)
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, told{body.ID, a.status})
				return nil
			})
		}
	}
	check(t, group.Wait())
	logLines(t, all[len(all)-1].id) // what was answered is written soon
	eventually(t, "every error is in the log", func() error {
		data, err := os.ReadFile(system.operator.LogPath)
		if err != nil {
			return err
		}
		byID := map[string][]map[string]any{}
		for _, text := range strings.Split(strings.TrimSpace(string(data)), "\n") {
			if strings.HasPrefix(text, "failpoint: ") {
				continue
			}
			var line map[string]any
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				return err
			}
			if id, ok := line["id"].(string); ok {
				byID[id] = append(byID[id], line)
			}
		}
		for _, e := range all {
			lines := byID[e.id]
			if len(lines) != 1 || lines[0]["status"] != float64(e.status) || lines[0]["cause"] == nil || lines[0]["msg"] != "request" {
				return fmt.Errorf("of the error %+v there are the lines %v", e, lines)
			}
		}
		return nil
	})
}

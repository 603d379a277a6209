package tracing

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/client-go/transport"
)

// serviceName is what traces are of unless OTEL_SERVICE_NAME says otherwise.
const serviceName = "iotfile-operator"

// flushTimeout is how long Stop waits for spans that are still to be sent.
const flushTimeout = 5 * time.Second

// Tracing is where spans go. A nil Tracing is one that is turned off.
type Tracing struct {
	provider *sdktrace.TracerProvider
}

// Start turns tracing on if the environment asks for it, and returns nil, nil if it does not: see
// wanted. What the OpenTelemetry SDK reads by itself holds besides, such as
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES. It does not wait
// for a connection: spans that cannot be sent are dropped, and log is told. An error means that a
// variable has a value that is not known, or that a file it names cannot be read. The caller calls
// Stop.
func Start(ctx context.Context, log logr.Logger) (*Tracing, error) {
	protocol, err := wanted(os.Getenv)
	if err != nil || protocol == "" {
		return nil, err
	}
	var exporter *otlptrace.Exporter
	if protocol == protocolGRPC {
		exporter, err = otlptracegrpc.New(ctx)
	} else {
		exporter, err = otlptracehttp.New(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("export of traces: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this machine: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", serviceName), attribute.String("service.instance.id", host)), // the name of the pod
		resource.WithFromEnv(), // wins
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Error(err, "traces") }))
	log.Info("sending traces", "protocol", protocol)
	return &Tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}, nil
}

// Tracer makes spans. It is nil where tracing is turned off.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer("github.com/iotfile-operator/iotfile-operator")
}

// Follow has HTTP clients that are wrapped by wrap make a span of each request that belongs to a
// trace, and pass the trace on. Watches and what happens on nobody's behalf make none.
func (t *Tracing) Follow(wrap func(transport.WrapperFunc)) {
	if t == nil {
		return
	}
	wrap(func(next http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(next,
			otelhttp.WithTracerProvider(t.provider), otelhttp.WithMeterProvider(noop.NewMeterProvider()), otelhttp.WithPropagators(propagation.TraceContext{}),
			otelhttp.WithFilter(func(r *http.Request) bool {
				return trace.SpanContextFromContext(r.Context()).IsValid() && r.URL.Query().Get("watch") == ""
			}),
		)
	})
}

// Stop sends what is left, for five seconds at most.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Protocols of OTLP.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// wanted is the protocol that the environment asks traces to be sent with, empty for none to be
// sent. They are where an endpoint or the exporter is named, unless OTEL_SDK_DISABLED is true or
// OTEL_TRACES_EXPORTER is none (OpenTelemetry's environment variable specification).
func wanted(env func(string) string) (string, error) {
	exporter := env("OTEL_TRACES_EXPORTER")
	named := env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	switch {
	case strings.EqualFold(env("OTEL_SDK_DISABLED"), "true"), exporter == "none", exporter == "" && !named:
		return "", nil
	case exporter != "" && exporter != "otlp":
		return "", fmt.Errorf("OTEL_TRACES_EXPORTER=%q: choose otlp or none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch value := env(name); value {
		case "":
		case protocolGRPC, protocolHTTP:
			return value, nil
		default:
			return "", fmt.Errorf("%s=%q: choose %s or %s", name, value, protocolGRPC, protocolHTTP)
		}
	}
	return protocolHTTP, nil
}

package tracing

import (
	"context"
	"testing"

	"github.com/go-logr/logr"
)

// TestWanted: nothing is sent unless somebody asks for it, and a word that is not known is an
// error, not silence.
func TestWanted(t *testing.T) {
	const endpoint = "http://127.0.0.1:4318"
	type env = map[string]string
	for name, c := range map[string]struct {
		env  env
		want string
		bad  bool
	}{
		"nothing":                      {},
		"a name is not enough":         {env: env{"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}},
		"endpoint":                     {env: env{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, want: protocolHTTP},
		"endpoint of traces":           {env: env{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}, want: protocolHTTP},
		"exporter, default endpoint":   {env: env{"OTEL_TRACES_EXPORTER": "otlp"}, want: protocolHTTP},
		"disabled":                     {env: env{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "True"}},
		"not disabled":                 {env: env{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "false"}, want: protocolHTTP},
		"no traces":                    {env: env{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_EXPORTER": "none"}},
		"another exporter":             {env: env{"OTEL_TRACES_EXPORTER": "zipkin"}, bad: true},
		"grpc":                         {env: env{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, want: protocolGRPC},
		"traces have their own":        {env: env{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocolHTTP}, want: protocolHTTP},
		"another protocol":             {env: env{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, bad: true},
		"what is off is not looked at": {env: env{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}},
	} {
		got, err := wanted(func(name string) string { return c.env[name] })
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestOff: where tracing is off there is no tracer, and no harm in asking.
func TestOff(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	off, err := Start(t.Context(), logr.Discard())
	if err != nil || off != nil || off.Tracer() != nil || off.Stop(context.Background()) != nil {
		t.Errorf("%v, %v", off, err)
	}
}

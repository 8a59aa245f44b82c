package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Traces exports spans.
type Traces struct {
	provider trace.TracerProvider
	stop     func(context.Context) error
}

// tracerName is the instrumentation scope of all our spans.
const tracerName = "github.com/postrider/postrider"

// StartTraces exports spans by OTLP over HTTP if OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is
// set; otherwise spans cost nothing. The library reads the other OTEL_ variables. Spans that cannot be exported are
// dropped, and the log says so.
func StartTraces(ctx context.Context, version string, log *slog.Logger) (*Traces, error) {
	if !tracesWanted() {
		return &Traces{noop.NewTracerProvider(), func(context.Context) error { return nil }}, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" && protocol != "http/protobuf" {
			return nil, fmt.Errorf("%s is %q; only http/protobuf is supported", name, protocol)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	// Attributes from the environment override ours.
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "postrider"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("trace export failed; spans are dropped", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Traces{provider, provider.Shutdown}, nil
}

func tracesWanted() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Tracer returns the tracer for all spans of this module.
func (t *Traces) Tracer() trace.Tracer { return t.provider.Tracer(tracerName) }

// Stop exports the remaining spans, until ctx ends.
func (t *Traces) Stop(ctx context.Context) error { return t.stop(ctx) }

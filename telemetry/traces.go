package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Traces exports spans.
type Traces struct {
	provider trace.TracerProvider
	stop     func(context.Context) error
}

// scopeName is the instrumentation scope of all our spans and metrics.
const scopeName = "github.com/postrider/postrider"

// StartTraces exports spans by OTLP if the OTEL_ variables say so, which [CheckVariables] has checked; otherwise spans
// cost nothing. Spans that cannot be exported are dropped, and the log says so.
func StartTraces(ctx context.Context, process Process, log *slog.Logger) (*Traces, error) {
	if !environment(os.Getenv).exports(signalTraces) {
		return &Traces{noop.NewTracerProvider(), func(context.Context) error { return nil }}, nil
	}
	about, err := process.resource(ctx)
	if err != nil {
		return nil, err
	}
	exporter, err := newSpanExporter(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	logLibraryErrors(log)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Traces{provider, provider.Shutdown}, nil
}

// Tracer returns the tracer for all spans of this module.
func (t *Traces) Tracer() trace.Tracer { return t.provider.Tracer(scopeName) }

// Provider returns the provider of tracers for libraries, which have scopes of their own.
func (t *Traces) Provider() trace.TracerProvider { return t.provider }

// Stop exports the remaining spans, until ctx ends.
func (t *Traces) Stop(ctx context.Context) error { return t.stop(ctx) }

package ingest

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// The W3C trace context headers: https://www.w3.org/TR/trace-context/
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// startSpan starts the span of one message as part of the producer's trace, and returns the trace context to store
// with the message. If tracing is off in this process, that is the producer's own context.
func (l *loop) startSpan(ctx context.Context, m Message, in core.IngestIn) (trace.Span, *string) {
	carrier := propagation.MapCarrier{traceParent: m.Headers.Get(traceParent), traceState: m.Headers.Get(traceState)}
	if in.TraceParent != nil {
		carrier = propagation.MapCarrier{traceParent: *in.TraceParent}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	// A span with text that is not valid UTF-8 cannot be exported, nor can other spans of the same export.
	topic, position := strings.ToValidUTF8(m.Topic, "\uFFFD"), strings.ToValidUTF8(m.Position, "\uFFFD")
	ctx, span := l.Tracer.Start(ctx, "process "+topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", l.System),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.message.id", position),
		attribute.String("postrider.source", l.Name),
	))
	carrier = propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if carrier[traceParent] == "" {
		return span, nil
	}
	return span, new(carrier[traceParent])
}

// endSpans ends the spans of a batch once its messages are settled.
func (b *batch) endSpans() {
	for i, span := range b.spans {
		outcome := b.outcomes[i]
		if outcome.Err != nil {
			span.SetStatus(codes.Error, strings.ToValidUTF8(core.Reason(outcome.Err), "\uFFFD"))
		} else {
			span.SetAttributes(attribute.String("postrider.message_id", string(outcome.Message.ID)))
		}
		span.End()
	}
}

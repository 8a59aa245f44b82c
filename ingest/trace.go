package ingest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

const traceParent = "traceparent"

// startSpan begins the span of one message, which goes on the trace that its producer began, and returns
// what the message carries on. Where nobody traces here, that is the producer's own.
func (l *loop) startSpan(ctx context.Context, m Message, in core.IngestIn) (trace.Span, string) {
	carrier := propagation.MapCarrier{traceParent: in.TraceParent}
	if in.TraceParent == "" {
		carrier[traceParent] = m.Headers.Get(traceParent)
		carrier["tracestate"] = m.Headers.Get("tracestate")
	}
	ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	ctx, span := l.Tracer.Start(ctx, "process "+m.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", l.System),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", m.Topic),
		attribute.String("messaging.message.id", m.Position),
		attribute.String("postrider.source", l.Name),
	))
	carrier = propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return span, carrier[traceParent]
}

// endSpans ends the spans of a batch once its messages are settled.
func (b *batch) endSpans() {
	for i, span := range b.spans {
		outcome := b.outcomes[i]
		if outcome.Err != nil {
			span.SetStatus(codes.Error, reason(outcome.Err))
		} else {
			span.SetAttributes(attribute.String("postrider.message_id", string(outcome.Message.ID)))
		}
		span.End()
	}
}

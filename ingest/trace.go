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

// traceHeaders are the trace context headers of one message.
type traceHeaders struct{ parent, state string }

// Get implements [propagation.TextMapCarrier].
func (h *traceHeaders) Get(name string) string {
	switch name {
	case traceParent:
		return h.parent
	case traceState:
		return h.state
	}
	return ""
}

// Set implements [propagation.TextMapCarrier].
func (h *traceHeaders) Set(name, value string) {
	switch name {
	case traceParent:
		h.parent = value
	case traceState:
		h.state = value
	}
}

// Keys implements [propagation.TextMapCarrier].
func (h *traceHeaders) Keys() []string { return []string{traceParent, traceState} }

// Described is a source whose messages have attributes in OpenTelemetry's conventions besides those of all sources.
type Described interface {
	// Attributes returns attributes for the span of a message. It is called for sampled messages only.
	Attributes(m Message) []attribute.KeyValue
}

// consumer are the options of a message's span. Its attributes are set only if it is sampled: the samplers that can be
// configured do not look at them.
var consumer = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}

// startSpan starts the span of one message as part of the producer's trace, and returns the trace context to store
// with the message. If tracing is off in this process, that is the producer's own context. What only an exported span
// needs is not even made for a message that is not sampled.
func (l *loop) startSpan(ctx context.Context, m Message, in core.IngestIn) (trace.Span, *string) {
	if parent := m.Headers.Get(traceParent); in.TraceParent != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, &traceHeaders{parent: *in.TraceParent})
	} else if parent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, &traceHeaders{parent, m.Headers.Get(traceState)})
	}
	o := l.counts.origin(l.destinationOf(m))
	ctx, span := l.Tracer.Start(ctx, o.span, consumer...)
	if span.IsRecording() {
		span.SetAttributes(o.attributes...)
		span.SetAttributes(l.attributes(m)...)
	}
	if !span.SpanContext().IsValid() {
		return span, nil
	}
	var stored traceHeaders
	propagation.TraceContext{}.Inject(ctx, &stored)
	return span, &stored.parent
}

// attributes returns what the span of a message says about this message alone.
func (l *loop) attributes(m Message) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("messaging.message.id", m.Position),
		attribute.String("postrider.source", l.Name),
	}
	if d, ok := l.Source.(Described); ok && m.Handle != nil {
		all = append(all, d.Attributes(m)...)
	}
	for i, a := range all {
		if a.Value.Type() == attribute.STRING {
			all[i] = a.Key.String(strings.ToValidUTF8(a.Value.AsString(), "\uFFFD"))
		}
	}
	return all
}

// traceStoring makes the statements that store the batch part of its first sampled message's trace.
func (b *batch) traceStoring(ctx context.Context) context.Context {
	for _, i := range b.open {
		if b.spans[i].IsRecording() {
			return trace.ContextWithSpan(ctx, b.spans[i])
		}
	}
	return ctx
}

// endSpans ends the spans of a batch once its messages are stored or refused.
func (b *batch) endSpans() {
	for i, span := range b.spans {
		if !span.IsRecording() {
			continue
		}
		b.traced = append(b.traced, span.SpanContext())
		if err := b.outcomes[i].Err; err != nil {
			span.SetAttributes(attribute.String("error.type", failureOf(err)))
			span.SetStatus(codes.Error, strings.ToValidUTF8(core.Reason(err), "\uFFFD"))
		} else {
			span.SetAttributes(attribute.String("postrider.message_id", string(b.outcomes[i].Message.ID)))
		}
		span.End()
	}
}

// linksMost is how many spans of a batch its settling is linked to. OpenTelemetry keeps as many by default.
const linksMost = 128

// startSettle starts the span of settling a batch, in the trace of its first sampled message and linked to the others.
// If none is sampled there is no span.
func (l *loop) startSettle(ctx context.Context, b *batch) trace.Span {
	if len(b.traced) == 0 {
		return trace.SpanFromContext(context.Background())
	}
	name, attributes := stepSettle, l.counts.with(
		operation(stepSettle), operationType(stepSettle),
		attribute.Int("messaging.batch.message_count", len(b.messages)), attribute.String("postrider.source", l.Name))
	if l.Destination != "" {
		name, attributes = name+" "+l.Destination, append(attributes, destination(l.Destination))
	}
	var links []trace.Link
	for _, other := range b.traced[1:min(len(b.traced), linksMost)] {
		links = append(links, trace.Link{SpanContext: other})
	}
	_, span := l.Tracer.Start(trace.ContextWithSpanContext(ctx, b.traced[0]), name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...), trace.WithLinks(links...))
	return span
}

// failSpan marks a span as failed. The error is for the log, not for whoever reads traces: it may name anything.
func failSpan(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(attribute.String("error.type", failureOf(err)))
		span.SetStatus(codes.Error, "")
	}
}

package store

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// batchSpans traces the callers of a batcher. Each caller that is part of a trace has a span while it waits for its
// statement and its result. Statements belong to the trace of the first such caller. The batch and the spans of all
// other callers are linked, so that each trace leads to the statement, and the statement to all traces. Callers
// without a recorded trace cost nothing. The zero value traces nothing.
type batchSpans struct {
	tracer trace.Tracer
	name   string
}

// batchLinksMax is how many links a span may have by default; the library drops others.
const batchLinksMax = 128

// tracerName is the instrumentation scope of the store's own spans.
const tracerName = "github.com/postrider/postrider/store"

// start starts the span of a caller. It returns nil for a caller without a recorded trace.
func (s batchSpans) start(ctx context.Context) trace.Span {
	if s.tracer == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	if _, span := s.tracer.Start(ctx, s.name); span.IsRecording() {
		return span
	}
	return nil
}

// end ends the span of a caller, if it has one.
func (s batchSpans) end(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		code := "server_error"
		if e, ok := errors.AsType[*core.Error](err); ok {
			code = e.Code
		}
		span.SetStatus(codes.Error, code) // the message may quote values
	}
	span.End()
}

// startBatch starts the span of a statement that carries the given number of rows, for callers with the given spans.
// If there are none, the span is not recorded.
func (s batchSpans) startBatch(ctx context.Context, rows int, callers []trace.Span) (context.Context, trace.Span) {
	if len(callers) == 0 {
		return ctx, trace.SpanFromContext(ctx)
	}
	first, others := callers[0], callers[1:]
	links := make([]trace.Link, min(len(others), batchLinksMax))
	for i := range links {
		links[i].SpanContext = others[i].SpanContext()
	}
	ctx, span := s.tracer.Start(trace.ContextWithSpan(ctx, first), s.name+" batch",
		trace.WithLinks(links...), trace.WithAttributes(attribute.Int("postrider.batch_rows", rows)))
	for _, other := range others {
		other.AddLink(trace.Link{SpanContext: span.SpanContext()})
	}
	return ctx, span
}

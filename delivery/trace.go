package delivery

import (
	"context"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// startSpan starts the span of an attempt, which continues the message's trace. The trace ends here: receivers belong
// to third parties and are not sent its id.
func (w *Worker) startSpan(ctx context.Context, d core.Delivery) (context.Context, trace.Span) {
	if d.TraceParent != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": *d.TraceParent})
	}
	ctx, span := w.config.Tracer.Start(ctx, "deliver", trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("postrider.app_id", string(d.AppID)),
			attribute.String("postrider.message_id", string(d.MessageID)),
			attribute.String("postrider.endpoint_id", string(d.EndpointID)),
			attribute.Int("postrider.attempts", d.Attempts),
			attribute.String("http.request.method", "POST"),
		)
		if u, err := url.Parse(d.URL); err == nil {
			span.SetAttributes(attribute.String("server.address", u.Hostname())) // the rest may hold secrets
		}
	}
	return ctx, span
}

func endSpan(span trace.Span, attempt outcome) {
	if attempt.trouble != nil {
		span.SetStatus(codes.Error, "postponed: "+attempt.trouble.cause)
	} else if span.IsRecording() {
		span.SetAttributes(attribute.String("postrider.attempt_id", string(attempt.ID)))
		if attempt.replays != 0 {
			span.SetAttributes(attribute.Int("http.request.resend_count", attempt.replays))
		}
		if attempt.ResponseStatusCode != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", int(attempt.ResponseStatusCode)))
		}
		if attempt.Status != core.StatusSuccess {
			span.SetStatus(codes.Error, "the attempt failed")
		}
	}
	span.End()
}

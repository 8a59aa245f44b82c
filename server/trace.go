package server

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
)

// traceParent returns the trace that a request is part of, from the W3C traceparent header. It returns nil if the
// header is missing or invalid.
func traceParent(h http.Header) *string {
	const name = "traceparent"
	if h.Get(name) == "" {
		return nil
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h))
	carrier := propagation.MapCarrier{}
	if (propagation.TraceContext{}).Inject(ctx, carrier); carrier[name] == "" {
		return nil
	}
	return new(carrier[name])
}

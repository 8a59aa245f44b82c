package server

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
)

// traceParent is the trace that a request is part of, as its client says by the W3C's header; nil: it
// says nothing, or nothing that can be read.
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

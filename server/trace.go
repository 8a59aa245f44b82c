package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// serverSpan is made once, so that a request whose span is not recorded allocates nothing for it.
var serverSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

// startSpan starts the span of a request, as part of the client's trace if there is one. Its name is complete once the
// route is known.
func (s *server) startSpan(r *http.Request) (context.Context, trace.Span) {
	return s.tracer.Start(clientTrace(r.Context(), r.Header), spanName(r.Method, ""), serverSpan...)
}

// The W3C trace context headers in canonical form: https://www.w3.org/TR/trace-context/
const (
	traceParentHeader = "Traceparent"
	traceStateHeader  = "Tracestate"
)

// traceStateMax is the length in bytes up to which the specification asks for tracestate to be kept. Each span of the
// trace repeats it.
const traceStateMax = 512

// clientTrace adds the span of the client to ctx. It ignores invalid headers, and traceparent if it is given twice.
func clientTrace(ctx context.Context, h http.Header) context.Context {
	parents := h[traceParentHeader]
	if len(parents) != 1 {
		return ctx
	}
	carrier := propagation.HeaderCarrier{traceParentHeader: parents}
	if state := strings.Join(h[traceStateHeader], ","); len(state) <= traceStateMax {
		carrier[traceStateHeader] = []string{state}
	}
	return propagation.TraceContext{}.Extract(ctx, carrier)
}

// traceParent returns the trace context to store with a message, so that its attempts continue the trace. That is the
// request's span, or if this process does not trace, the client's. It is nil if there is no trace.
func traceParent(ctx context.Context) *string {
	carrier := propagation.HeaderCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if parents := carrier[traceParentHeader]; parents != nil {
		return &parents[0]
	}
	return nil
}

// withTrace adds the id of the request's trace, if there is one, to what is logged.
func withTrace(ctx context.Context, attrs ...slog.Attr) []slog.Attr {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	return attrs
}

// traceMessage makes the span of the request that created a message searchable by the message's id.
func traceMessage(ctx context.Context, m core.Message) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("postrider.app_id", string(m.AppID)), attribute.String("postrider.message_id", string(m.ID)))
	}
}

// spanName returns the name of a request's span. Whatever clients send, there are not many names.
func spanName(method, route string) string {
	if method = knownMethod(method); method == otherMethod {
		method = "HTTP"
	}
	if route == "" {
		return method
	}
	return method + " " + route
}

// endSpan describes the request by OpenTelemetry's semantic conventions for HTTP servers. Queries and headers may hold
// secrets and are left out, and so are the client's address, which is personal data, and paths without a route.
func endSpan(span trace.Span, a *answer, r *http.Request, c *call) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	route := routeOf(r)
	span.SetName(spanName(r.Method, route))
	host, port := hostOf(r)
	attributes := append(make([]attribute.KeyValue, 0, 16),
		attribute.String("http.request.method", knownMethod(r.Method)),
		attribute.String("url.scheme", "http"), // a proxy ends TLS
		attribute.String("server.address", spanText(host)),
		attribute.String("network.protocol.version", strconv.Itoa(r.ProtoMajor)+"."+strconv.Itoa(r.ProtoMinor)),
		attribute.String("postrider.request_id", c.id),
	)
	if port != 0 {
		attributes = append(attributes, attribute.Int("server.port", port))
	}
	if agent := r.UserAgent(); agent != "" {
		attributes = append(attributes, attribute.String("user_agent.original", spanText(agent)))
	}
	if route != "" {
		attributes = append(attributes, attribute.String("http.route", route), attribute.String("url.path", spanText(r.URL.EscapedPath())))
	}
	if c.scope.OrgID != "" {
		attributes = append(attributes, attribute.String("postrider.org_id", string(c.scope.OrgID)))
	}
	if a.status != 0 {
		attributes = append(attributes, attribute.Int("http.response.status_code", a.status))
	}
	if c.error != nil {
		attributes = append(attributes, attribute.String("postrider.error_code", c.error.Code))
	}
	span.SetAttributes(attributes...)
	switch {
	case c.panicked: // The log has the reason, which may quote anything.
		span.SetAttributes(attribute.String("error.type", "panic"))
		span.SetStatus(codes.Error, "")
	case a.status >= http.StatusInternalServerError:
		span.SetAttributes(attribute.String("error.type", strconv.Itoa(a.status)))
		span.SetStatus(codes.Error, "")
	}
}

// hostOf returns the host and port that the client addressed; the port is 0 if the client named none.
func hostOf(r *http.Request) (host string, port int) {
	host, text, err := net.SplitHostPort(r.Host)
	if err != nil {
		return r.Host, 0
	}
	n, _ := strconv.ParseUint(text, 10, 16) // 0 if it is no port
	return host, int(n)
}

// spanTextMax bounds each text of a client in a span, in bytes.
const spanTextMax = 512

// spanText returns what a span shows of a text. A text that is not valid UTF-8 could not be exported, nor could the
// other spans of the same export.
func spanText(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), spanTextMax)], "\uFFFD")
}

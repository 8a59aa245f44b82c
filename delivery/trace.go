package delivery

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// Header names of W3C Trace Context: https://www.w3.org/TR/trace-context/
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// ownTraceAfter is how long after its message an attempt still belongs to the message's trace. It is longer than the
// default retry schedule. Later attempts are mostly replays of old messages. Most trace stores have deleted the message's
// trace by then, or would show one that lasts for weeks, so such attempts get traces of their own with a link to it.
const ownTraceAfter = 48 * time.Hour

// attemptKind is made once, because it is passed for each attempt.
var attemptKind = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}

// startSpan starts the span of an attempt. Its parent is the message's stored trace context, which may be any text: if it is
// not valid, there is none.
func (w *Worker) startSpan(ctx context.Context, d core.Delivery) (context.Context, trace.Span) {
	if d.TraceParent != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, (*storedParent)(d.TraceParent))
	}
	options := attemptKind
	if of := trace.SpanContextFromContext(ctx); of.IsSampled() && w.hasOwnTrace(d) {
		options = append(options[:1:1], trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: of}))
	}
	return w.config.Tracer.Start(ctx, http.MethodPost, options...)
}

// hasOwnTrace reports whether an attempt comes too late for the message's trace. An attempt whose message was not sampled stays
// in its trace all the same, so that replaying a million such messages does not make a million traces.
func (w *Worker) hasOwnTrace(d core.Delivery) bool {
	accepted, err := d.MessageID.Time()
	return err == nil && w.clock().Sub(accepted) > ownTraceAfter
}

// storedParent is a stored trace context as a carrier that needs no memory of its own.
type storedParent string

// Get implements [propagation.TextMapCarrier].
func (p *storedParent) Get(key string) string {
	if key == traceParent {
		return string(*p)
	}
	return ""
}

// Set implements [propagation.TextMapCarrier].
func (p *storedParent) Set(string, string) {}

// Keys implements [propagation.TextMapCarrier].
func (p *storedParent) Keys() []string { return []string{traceParent} }

// tellTrace sends the receiver the trace context of the attempt: its span's, or the message's if this process does not trace.
// It overrides headers of the endpoint, because a state of another trace would be wrong.
func tellTrace(ctx context.Context, header http.Header) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if parent := carrier[traceParent]; parent != "" {
		header.Set(traceParent, parent)
		header.Del(traceState)
	}
}

// traceID returns the id of a sampled trace, for the log; "" if there is none.
func traceID(ctx context.Context) string {
	if of := trace.SpanContextFromContext(ctx); of.IsSampled() {
		return of.TraceID().String()
	}
	return ""
}

// endSpan ends the span of an attempt. cut reports whether a stop cut the attempt off. That and trouble of ours leave the status
// unset, because the endpoint has not failed.
func endSpan(span trace.Span, d core.Delivery, o outcome, cut bool) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	attributes := append(deliveryAttributes(d, o), receiverAttributes(d, o)...)
	switch {
	case o.trouble != nil:
		attributes = append(attributes, attribute.String("postrider.unfinished", o.trouble.cause))
	case cut:
		attributes = append(attributes, attribute.String("postrider.unfinished", "the process stops"))
	default:
		attributes = append(attributes, attribute.String("postrider.attempt_id", string(o.ID)))
		if o.ResponseStatusCode != 0 {
			attributes = append(attributes, attribute.Int("http.response.status_code", int(o.ResponseStatusCode)))
		}
		if kind := errorType(o, int(o.ResponseStatusCode)); kind != "" {
			attributes = append(attributes, attribute.String("error.type", kind))
			span.SetStatus(codes.Error, failureWords(o))
		}
	}
	span.SetAttributes(attributes...)
}

func deliveryAttributes(d core.Delivery, o outcome) []attribute.KeyValue {
	trigger := "scheduled"
	if d.Manual {
		trigger = "manual"
	}
	attributes := []attribute.KeyValue{
		attribute.String("postrider.app_id", string(d.AppID)),
		attribute.String("postrider.message_id", string(d.MessageID)),
		attribute.String("postrider.endpoint_id", string(d.EndpointID)),
		attribute.Int("postrider.attempts", d.Attempts),
		attribute.String("postrider.trigger", trigger),
		attribute.String("http.request.method", http.MethodPost),
	}
	if resent := d.Attempts + o.replays; resent > 0 {
		attributes = append(attributes, attribute.Int("http.request.resend_count", resent))
	}
	return attributes
}

// receiverAttributes say where the request went. url.full is missing, because userinfo, path and query may be secrets.
func receiverAttributes(d core.Delivery, o outcome) (attributes []attribute.KeyValue) {
	if u, err := url.Parse(callURL(d.URL)); err == nil {
		// Spans with text that is not valid UTF-8 cannot be exported, nor can others of the same export.
		attributes = append(attributes, attribute.String("url.scheme", u.Scheme),
			attribute.String("server.address", strings.ToValidUTF8(u.Hostname(), "\uFFFD")))
		if _, text, err := net.SplitHostPort(targetOf(u).address); err == nil {
			if port, err := strconv.Atoi(text); err == nil {
				attributes = append(attributes, attribute.Int("server.port", port))
			}
		}
	}
	if peer, ok := o.peer.(*net.TCPAddr); ok {
		attributes = append(attributes, attribute.String("network.peer.address", peer.IP.String()),
			attribute.Int("network.peer.port", peer.Port), attribute.String("network.protocol.version", o.version))
	}
	return attributes
}

// errorType returns what error.type says about an attempt: the class of a failure without a response, or else the given form of
// the status; "" if it succeeded.
func errorType(o outcome, status int) string {
	if o.Status == core.StatusSuccess {
		return ""
	}
	if o.class != "" {
		return o.class
	}
	return strconv.Itoa(status)
}

// failureWords describes a failure by constant texts: the receiver's words must not get into a trace.
func failureWords(o outcome) string {
	if o.class != "" {
		return strings.ReplaceAll(o.class, "_", " ")
	}
	return "unsuccessful response"
}

package delivery

import (
	"net/http"
	"net/http/httptest"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestAttemptsGoOnWithTheTraceOfTheirMessage(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	var headers http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	spans := tracetest.NewSpanRecorder()
	config := testConfig()
	config.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
	traced := testDelivery(server.URL + "/?token=secret")
	traced.TraceParent = new(trace)
	queue := newQueue(traced)
	_, stop := run(t, config, queue)
	<-queue.recorded
	stop()
	ended := spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans, want one for the attempt", len(ended))
	}
	parent := ended[0].Parent()
	if parent.TraceID().String() != trace[3:35] || parent.SpanID().String() != trace[36:52] {
		t.Errorf("the parent is %v, want %s", parent, trace)
	}
	got := map[string]string{}
	for _, a := range ended[0].Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	if got["http.response.status_code"] != "418" || got["server.address"] != "127.0.0.1" || got["postrider.message_id"] != string(traced.MessageID) {
		t.Errorf("the span says %v", got)
	}
	if headers.Get("Traceparent") != "" {
		t.Error("the receiver was told the trace's number")
	}
}

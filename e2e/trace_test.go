package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/postrider/postrider/e2e/rig"
)

// spanCollector receives spans by OTLP over HTTP, as a collector does.
type spanCollector struct {
	url string

	mu    sync.Mutex
	spans []*traces.Span
	of    []string // the service of each span
}

func newSpanCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(text, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range request.GetResourceSpans() {
			service := ""
			for _, a := range resource.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					c.spans, c.of = append(c.spans, span), append(c.of, service)
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// find returns the first span of a trace with the given kind, and its service.
func (c *spanCollector) find(trace string, kind traces.Span_SpanKind) (span *traces.Span, service string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, span := range c.spans {
		if hex.EncodeToString(span.GetTraceId()) == trace && span.GetKind() == kind {
			return span, c.of[i]
		}
	}
	return nil, ""
}

// TestTraceGoesFromTheProducerToTheAttempt follows a message that a producer traces: the consumer's span is a child
// of the producer's, and the span of the attempt, made in another process, is a child of the consumer's.
func TestTraceGoesFromTheProducerToTheAttempt(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	for name, newProducer := range map[string]func(*testing.T, string, string) rig.Producer{"kafka": rig.NewKafka, "outbox": rig.NewOutbox} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
			spans, database, org := newSpanCollector(t), rig.NewDatabase(t), "org_"+rig.Random()
			p := newProducer(t, org, database)
			traced := rig.Settings(database, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.url, "OTEL_BSP_SCHEDULE_DELAY=100")
			s := rig.Start(t, rig.Settings(database), "api").Service(t)
			c := rig.NewClient(t, s.URL, s.NewToken(t, org))
			app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
			receiver.NewEndpoint(t, c, app)
			rig.Start(t, slices.Concat(traced, rig.SourcesOf(p, org), []string{"OTEL_SERVICE_NAME=consumer"}), "consume").AwaitReady(t)
			rig.Start(t, traced, "worker").AwaitReady(t)
			body := fmt.Sprintf(`{"application": %q, "eventType": "e2e.trace", "payload": {}}`, app)
			rig.NoError(t, p.Produce(t.Context(), "red", "traced", body, map[string]string{"traceparent": "00-" + trace + "-" + parent + "-01"}))

			var stored, attempt *traces.Span
			var consumer, worker string
			rig.Await(t, func() string {
				stored, consumer = spans.find(trace, traces.Span_SPAN_KIND_CONSUMER)
				attempt, worker = spans.find(trace, traces.Span_SPAN_KIND_CLIENT)
				if stored == nil || attempt == nil {
					return fmt.Sprintf("spans of storing: %v, of the attempt: %v", stored, attempt)
				}
				return ""
			})
			if got := hex.EncodeToString(stored.GetParentSpanId()); got != parent || consumer != "consumer" {
				t.Errorf("the parent of storing, by %s, is %s, want the producer's, %s", consumer, got, parent)
			}
			if got, want := hex.EncodeToString(attempt.GetParentSpanId()), hex.EncodeToString(stored.GetSpanId()); got != want || worker != "postrider" {
				t.Errorf("the parent of the attempt, by %s, is %s, want that of storing, %s", worker, got, want)
			}
			if got := receiver.All()[0].Header.Get("traceparent"); got != "" {
				t.Errorf("the receiver was sent the trace: %s", got)
			}
		})
	}
}

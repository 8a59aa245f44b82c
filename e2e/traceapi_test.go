package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/postrider/postrider/e2e/rig"
)

// wantedSpan is a span below another one, which is given by its name. The attempts are named by what came of them.
type wantedSpan struct {
	name, below, service string
	kind                 traces.Span_SpanKind
	attributes           map[string]string
}

func (w wantedSpan) is(span collected) bool {
	for key, value := range w.attributes {
		if span.attribute(key) != value {
			return false
		}
	}
	attempt := strings.HasPrefix(w.name, "the attempt")
	return (attempt || span.GetName() == w.name) && span.GetKind() == w.kind && span.service == w.service
}

// TestTraceGoesFromTheRequestToEachAttempt follows a request that the client traces: the span of the request is a child
// of the client's, storing the message is part of it, and so are the attempts that another process makes, of which the
// first fails.
func TestTraceGoesFromTheRequestToEachAttempt(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	spans, database := newSpanCollector(t), rig.NewDatabase(t)
	traced := rig.Settings(database, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.url, "OTEL_BSP_SCHEDULE_DELAY=100", "POSTRIDER_RETRY_SCHEDULE=100ms")
	c := rig.Start(t, slices.Concat(traced, []string{"OTEL_SERVICE_NAME=api"}), "api").Service(t).NewTenant(t)
	rig.Start(t, slices.Concat(traced, []string{"OTEL_SERVICE_NAME=worker"}), "worker").AwaitReady(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	receiver.NewEndpoint(t, c, app)
	request := rig.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/api/v1/app/"+app+"/msg?marked=query",
		strings.NewReader(`{"eventType": "e2e.trace", "payload": {"marked": "payload"}}`)))(t)
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
	answer := rig.Must(rig.ReadResponse(rig.HTTPClient.Do(request)))(t)
	var message struct{ ID string }
	answer.Decode(t, &message)
	receiver.AwaitTimes(t, 2, message.ID)

	at := map[string]string{"": parent} // the ids of spans by name
	for _, want := range []wantedSpan{
		{"POST /api/v1/app/{app_id}/msg", "", "api", traces.Span_SPAN_KIND_SERVER, map[string]string{
			"http.response.status_code": "202", "postrider.message_id": message.ID, "postrider.request_id": answer.Header.Get("X-Request-Id"),
		}},
		{"message_insert", "POST /api/v1/app/{app_id}/msg", "api", traces.Span_SPAN_KIND_INTERNAL, nil},
		{"message_insert batch", "message_insert", "api", traces.Span_SPAN_KIND_INTERNAL, map[string]string{"postrider.batch_rows": "1"}},
		{"MessageInsertMany", "message_insert batch", "api", traces.Span_SPAN_KIND_CLIENT, map[string]string{"db.system.name": "postgresql"}},
		{"the attempt that failed", "POST /api/v1/app/{app_id}/msg", "worker", traces.Span_SPAN_KIND_CLIENT, map[string]string{
			"http.response.status_code": "502", "postrider.message_id": message.ID,
		}},
		{"the attempt that succeeded", "POST /api/v1/app/{app_id}/msg", "worker", traces.Span_SPAN_KIND_CLIENT, map[string]string{
			"http.response.status_code": "200", "postrider.message_id": message.ID,
		}},
	} {
		rig.Await(t, func() string {
			all := spans.ofTrace(trace)
			i := slices.IndexFunc(all, want.is)
			if i < 0 || all[i].parent() != at[want.below] {
				return fmt.Sprintf("no span of %s below %s %q in %v", want.name, want.below, at[want.below], all)
			}
			at[want.name] = all[i].id()
			return ""
		})
	}
	for _, span := range spans.ofTrace(trace) {
		if text := span.String(); strings.Contains(text, "marked") || strings.Contains(text, c.Token) || strings.Contains(text, receiver.Secret) {
			t.Errorf("a span shows the query, the payload or a secret: %s", text)
		}
	}
}

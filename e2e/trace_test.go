package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

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

			stored := spans.awaitSpans(t, trace, 1, collected.isProcessing)[0]
			attempt := spans.awaitSpans(t, trace, 1, collected.isAttempt)[0]
			if stored.parent() != parent || stored.service != "consumer" {
				t.Errorf("the parent of storing, by %s, is %s, want the producer's, %s", stored.service, stored.parent(), parent)
			}
			if attempt.parent() != stored.id() || attempt.service != "postrider" {
				t.Errorf("the parent of the attempt, by %s, is %s, want that of storing, %s", attempt.service, attempt.parent(), stored.id())
			}
			if got := receiver.All()[0].Header.Get("traceparent"); got != "" {
				t.Errorf("the receiver was sent the trace: %s", got)
			}
		})
	}
}

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/postrider/postrider/e2e/rig"
)

// TestTraceGoesFromAKafkaRecordToEachAttempt follows a record to an attempt that fails and its retry, which succeeds.
// The processes that consume and that deliver export their spans apart from each other.
func TestTraceGoesFromAKafkaRecordToEachAttempt(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	const trace, parent = "5bf92f3577b34da6a3ce929d0e0e4737", "11f067aa0ba902b8"
	spans, database, org := newSpanCollector(t), rig.NewDatabase(t), "org_"+rig.Random()
	kafka := rig.NewKafka(t, org, database)
	traced := rig.Settings(database, "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.url, "OTEL_METRICS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=100",
		"POSTRIDER_RETRY_SCHEDULE=100ms")
	s := rig.Start(t, rig.Settings(database), "api").Service(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t, org))
	app := c.NewApplication(t)
	var calls atomic.Int32
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	receiver.NewEndpoint(t, c, app)
	rig.Start(t, slices.Concat(traced, rig.SourcesOf(kafka, org)), "consume").AwaitReady(t)
	rig.Start(t, traced, "worker").AwaitReady(t)
	body := fmt.Sprintf(`{"application": %q, "eventType": "e2e.trace", "payload": {}}`, app)
	rig.NoError(t, kafka.Produce(t.Context(), "red", "traced", body, map[string]string{"traceparent": "00-" + trace + "-" + parent + "-01"}))

	processed := spans.awaitSpans(t, trace, 1, collected.isProcessing)
	attempts := spans.awaitSpans(t, trace, 2, collected.isAttempt)
	settles := spans.awaitSpans(t, trace, 1, func(c collected) bool { return c.attribute("messaging.operation.name") == "settle" })
	spans.awaitSpans(t, trace, 1, func(c collected) bool { return c.GetName() == "MessageInsertMany" })
	if len(processed) != 1 || len(settles) != 1 {
		t.Errorf("%d spans of processing, %d of settling; want one each", len(processed), len(settles))
	}
	wantProcessed(t, processed[0], parent)
	for i, want := range []traces.Status_StatusCode{traces.Status_STATUS_CODE_ERROR, traces.Status_STATUS_CODE_UNSET} {
		if got := attempts[i].GetStatus().GetCode(); got != want {
			t.Errorf("the status of attempt %d is %s, want %s", i+1, got, want)
		}
	}
	if got, want := attempts[0].parent(), processed[0].id(); got != want {
		t.Errorf("the parent of the first attempt is %s, want the processing, %s", got, want)
	}
}

// wantProcessed checks the span of processing the record.
func wantProcessed(t *testing.T, process collected, parent string) {
	t.Helper()
	if got := process.parent(); got != parent {
		t.Errorf("the parent of processing is %s, want the producer's span %s", got, parent)
	}
	for name, want := range map[string]string{
		"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "events", "messaging.consumer.group.name": "e2e", "messaging.kafka.offset": "0",
	} {
		if got := process.attribute(name); got != want {
			t.Errorf("%s of %s is %q, want %q", name, process.GetName(), got, want)
		}
	}
	if process.attribute("messaging.destination.partition.id") == "" || process.attribute("postrider.message_id") == "" {
		t.Errorf("processing says %v, without the partition or the message", process.GetAttributes())
	}
}

// TestMetricsOfConsumeSayWhatItReads scrapes a consumer of Kafka that stores one message and refuses another.
func TestMetricsOfConsumeSayWhatItReads(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	database, org := rig.NewDatabase(t), "org_"+rig.Random()
	kafka := rig.NewKafka(t, org, database)
	s := rig.Start(t, rig.Settings(database), "api").Service(t)
	app := rig.NewClient(t, s.URL, s.NewToken(t, org)).NewApplication(t)
	p := rig.Start(t, slices.Concat(rig.Settings(database, rig.OpsSetting), rig.SourcesOf(kafka, org)), "consume")
	for name, application := range map[string]string{"good": app, "bad": "nobody"} {
		body := fmt.Sprintf(`{"application": %q, "eventType": "e2e.metrics", "payload": {}}`, application)
		rig.NoError(t, kafka.Produce(t.Context(), "red", name, body, nil))
	}
	url := p.OpsURL(t)
	common := []string{`messaging_system="kafka"`, `messaging_destination_name="events"`, `messaging_consumer_group_name="e2e"`}
	rig.Await(t, func() string {
		families := scrape(t, url)
		for _, w := range []struct {
			name   string
			labels []string
			value  float64
		}{
			{"messaging_client_consumed_messages_total", append([]string{`messaging_operation_name="receive"`}, common...), 2},
			{"messaging_process_duration_seconds", append([]string{`messaging_operation_name="process"`, `error_type="not_found"`}, common...), 1},
			{"messaging_process_duration_seconds", common, 2},
			{"postrider_messages_refused_total", []string{`source="kafka"`}, 1},
			{"postrider_messages_accepted_total", []string{`source="kafka"`}, 1},
			{"postrider_dead_letters", []string{`source="kafka"`}, 1},
			{"postrider_consumer_lag", []string{`source="kafka"`}, 0},
		} {
			if got := sample(families, w.name, w.labels...); families[w.name] == nil || got != w.value {
				return fmt.Sprintf("%s%v is %v, want %v", w.name, w.labels, got, w.value)
			}
		}
		if sample(families, "messaging_client_operation_duration_seconds", `messaging_operation_name="settle"`) == 0 {
			return "no duration of settling"
		}
		return ""
	})
}

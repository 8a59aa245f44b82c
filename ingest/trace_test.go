package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// Exporters marshal spans together, and fail if a single text is not UTF-8.
func TestSpanOfAnOddMessageIsUTF8(t *testing.T) {
	t.Parallel()
	batch := batchOf("\xff")
	batch[0].Topic, batch[0].Err = "orders.\xff", errors.New("odd: \xff")
	spans := tracetest.NewSpanRecorder()
	source := &fakeSource{batches: [][]Message{batch}}
	stop := start(t, source, &fakeSink{}, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer(""))
	source.await(t, 1)
	stop()
	if n := len(spans.Ended()); n != 2 {
		t.Errorf("%d spans, want one of the message and one of settling it", n)
	}
	for _, span := range spans.Ended() {
		texts := []string{span.Name(), span.Status().Description}
		for _, a := range span.Attributes() {
			texts = append(texts, a.Value.AsString())
		}
		for _, text := range texts {
			if !utf8.ValidString(text) {
				t.Errorf("the span says %q", text)
			}
		}
	}
}

const (
	producerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	producerSpan  = "00f067aa0ba902b7"
)

// tracedBatch is a message of a traced producer, one whose trace is nonsense, and one that nobody can read.
func tracedBatch() []Message {
	batch := batchOf("1", "2", "bad3")
	batch[0].Headers = Headers{"Traceparent": "00-" + producerTrace + "-" + producerSpan + "-01"}
	batch[1].Headers = Headers{"traceparent": "nonsense"}
	for i := range batch {
		batch[i].Handle = i
	}
	return batch
}

// describedSource is a source whose messages have an attribute of their own.
type describedSource struct{ *fakeSource }

func (describedSource) Attributes(m Message) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.Int("messaging.kafka.offset", m.Handle.(int))}
}

// traced runs a batch through the loop, and returns its spans and what was stored.
func traced(t *testing.T, sampler sdktrace.Sampler) ([]sdktrace.ReadOnlySpan, []core.IngestIn) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(sampler))
	source, sink := &fakeSource{batches: [][]Message{tracedBatch()}}, &fakeSink{}
	stop := startWith(t, Config{
		Group: "readers", Destination: "orders", Source: describedSource{source}, Sink: sink, Tracer: provider.Tracer(""), Meter: uncounted,
		Log: slog.New(slog.DiscardHandler),
	})
	source.await(t, 3)
	stop()
	return spans.Ended(), sink.seen
}

func attributesOf(span sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, a := range span.Attributes() {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

func wantAttributes(t *testing.T, span sdktrace.ReadOnlySpan, want map[string]string) {
	t.Helper()
	got := attributesOf(span)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s is %q, want %q", span.Name(), name, got[name], value)
		}
	}
}

func TestSpanOfEachMessageContinuesTheProducersTrace(t *testing.T) {
	t.Parallel()
	spans, stored := traced(t, sdktrace.AlwaysSample())
	if len(spans) != 4 {
		t.Fatalf("%d spans, want three of messages and one of settling them", len(spans))
	}
	for i, span := range spans[:3] {
		if span.Name() != "process orders" || span.SpanKind() != trace.SpanKindConsumer {
			t.Errorf("the span of a message is %q of kind %s", span.Name(), span.SpanKind())
		}
		c := span.SpanContext()
		if want := "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-01"; stored[i].TraceParent == nil || *stored[i].TraceParent != want {
			t.Errorf("stored with the message is %v, want its span, %s", stored[i].TraceParent, want)
		}
	}
	wantAttributes(t, spans[0], map[string]string{
		"messaging.system": "fake_mq", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "orders", "messaging.consumer.group.name": "readers", "messaging.message.id": "1",
		"messaging.kafka.offset": "0", "postrider.source": "test", "error.type": "",
	})
	if p := spans[0].Parent(); p.TraceID().String() != producerTrace || p.SpanID().String() != producerSpan || !p.IsRemote() {
		t.Errorf("the parent is %v, want the producer's span", p)
	}
	if spans[1].Parent().IsValid() || spans[0].Status().Code == codes.Error {
		t.Errorf("a message whose producer's trace is nonsense has the parent %v; one that is stored the status %v", spans[1].Parent(), spans[0].Status())
	}
	wantAttributes(t, spans[2], map[string]string{"error.type": "unreadable", "messaging.message.id": "bad3"})
	if s := spans[2].Status(); s.Code != codes.Error || !strings.Contains(s.Description, "not JSON") {
		t.Errorf("the status of an unreadable message is %v", s)
	}
	settle := spans[3]
	if settle.Name() != "settle orders" || settle.SpanKind() != trace.SpanKindClient || settle.Parent().SpanID() != spans[0].SpanContext().SpanID() {
		t.Errorf("settling is %q of kind %s below %v", settle.Name(), settle.SpanKind(), settle.Parent())
	}
	wantAttributes(t, settle, map[string]string{
		"messaging.operation.name": "settle", "messaging.operation.type": "settle", "messaging.batch.message_count": "3",
		"messaging.destination.name": "orders",
	})
	if links := settle.Links(); len(links) != 2 || links[1].SpanContext.SpanID() != spans[2].SpanContext().SpanID() {
		t.Errorf("settling is linked to %v, want the other two messages", links)
	}
}

// A sampler decides for each message. Those that it leaves out have no span, and their stored context says so.
func TestSpanOfAMessageNotSampledIsNotMade(t *testing.T) {
	t.Parallel()
	spans, stored := traced(t, sdktrace.ParentBased(sdktrace.NeverSample()))
	if len(spans) != 2 || spans[0].Parent().TraceID().String() != producerTrace || spans[1].Name() != "settle orders" || len(spans[1].Links()) > 0 {
		t.Errorf("the spans are %v, want that of the message with a sampled producer, and its settling", spans)
	}
	if stored[1].TraceParent == nil || !strings.HasSuffix(*stored[1].TraceParent, "-00") {
		t.Errorf("stored with a message not sampled is %v", stored[1].TraceParent)
	}
	if spans, _ := traced(t, sdktrace.NeverSample()); len(spans) > 0 {
		t.Errorf("nothing is sampled, and there are %v", spans)
	}
}

// Nothing of our own is allocated for a message without a trace where tracing is off.
func TestTracingThatIsOffCostsAlmostNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the allocations of all goroutines
	l := &loop{Config: Config{Tracer: untraced, Meter: uncounted}}
	l.counts = newCounts(l.Config)
	m, ctx := batchOf("1")[0], context.Background()
	m.Headers = Headers{"type": "a", "id": "b"}
	got := testing.AllocsPerRun(100, func() { l.startSpan(ctx, m, core.IngestIn{}) })
	if got > 2 { // the context of the library's empty span
		t.Errorf("%v allocations for each message", got)
	}
}

package ingest

import (
	"errors"
	"testing"
	"unicode/utf8"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
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

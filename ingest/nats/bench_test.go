package nats

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// BenchmarkReceiveAndSettle measures the cost of a message of 1 kB at the broker, without storing it.
func BenchmarkReceiveAndSettle(b *testing.B) {
	broker := newBroker(b)
	messages := make([]sourcetest.Produced, b.N)
	for i := range messages {
		messages[i] = sourcetest.Produced{Group: "red", Body: strings.Repeat("b", 1000)}
	}
	broker.Produce(b, messages...)
	s := broker.source(b)
	batches := 0
	b.ResetTimer()
	for left := b.N; left > 0; batches++ {
		batch := receive(b, s)
		settle(b, s, verdicts(ingest.Ack, batch...))
		left -= len(batch)
	}
	b.ReportMetric(float64(b.N)/float64(batches), "msgs/batch")
}

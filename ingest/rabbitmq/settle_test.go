package rabbitmq

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

func TestWhatIsGivenBackKeepsItsPlace(t *testing.T) {
	t.Parallel()
	for name, arguments := range map[string]amqp.Table{"quorum": quorum, "classic": classic, "single": single} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), arguments)
			b.publish(t, "", b.config.Queue, numbered(0, 20)...)
			s := b.source(t)
			batch := receiveFull(t, s, 20)
			// For this batch, 15 to 19 are messages sent ahead.
			settle(t, s, judged(batch[:15], ingest.Ack, ingest.Ack, ingest.Retry, ingest.Retry, ingest.Ack, ingest.Retry))
			want := append([]string{"2", "3"}, numbers(5, 20)...)
			wantBodies(t, receiveAll(t, s, len(want)), want...)
			closeSource(t, s)
			b.wantLeft(t, 0)
		})
	}
}

func TestDeadConnectionsMessagesAreNotSettledOnTheNext(t *testing.T) {
	t.Parallel()
	for name, verdict := range map[string]ingest.Verdict{"ack": ingest.Ack, "dead letter": ingest.DeadLetter, "retry": ingest.Retry} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), quorum)
			b.publish(t, "", b.config.Queue, numbered(0, 10)...)
			s := b.source(t)
			old := receiveFull(t, s, 10)
			b.Break(t)
			settle(t, s, judged(old, verdict)) // the connection is gone
			b.Mend(t)
			wantBodies(t, receiveFull(t, s, 10), numbers(0, 10)...)
			settle(t, s, judged(old, verdict)) // on another connection the same tags belong to these messages
			closeSource(t, s)
			b.wantLeft(t, 10)
			if letters := b.DeadLetters(t); len(letters) > 0 {
				t.Errorf("%d dead letters of messages that come again", len(letters))
			}
		})
	}
}

func TestBatchesAreAcknowledgedOneByOne(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, numbered(0, 10)...)
	s := b.source(t)
	batch := receiveFull(t, s, 10)
	settle(t, s, judged(batch[:4], ingest.Ack))
	closeSource(t, s)
	b.wantLeft(t, 6)
	wantBodies(t, receiveAll(t, s, 6), numbers(4, 10)...)
}

// RabbitMQ sends a quorum queue up to 32 acknowledgements at a time, and forgets the waiting ones when the channel
// closes.
func TestAcknowledgementsAreCarriedOutBeforeWeLeave(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), quorum)
	b.publish(t, "", b.config.Queue, numbered(0, ingest.BatchMost)...)
	s := b.source(t)
	batch := receiveFull(t, s, ingest.BatchMost)
	settle(t, s, judged(batch, ingest.Retry, ingest.Ack)) // one by one, as the first is not settled
	b.wantLeft(t, 1)
}

func TestNothingIsSettledInAnEmptyBatch(t *testing.T) {
	t.Parallel()
	s := newSource(t, Config{URL: "amqp://127.0.0.1:1/", Queue: "q", DeadLetterExchange: "d"})
	settle(t, s, nil)
	if err := s.Extend(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// BenchmarkReceive receives and acknowledges messages of 1 KiB.
func BenchmarkReceive(b *testing.B) {
	broker := newBroker(b, theServer(b), quorum)
	s := broker.source(b)
	const each = 10_000
	all := make([]amqp.Publishing, each)
	for i := range all {
		all[i].Body = make([]byte, 1024)
	}
	batches := 0
	for range b.N {
		b.StopTimer()
		_ = s.disconnect(b.Context())
		broker.publish(b, "", broker.config.Queue, all...)
		b.StartTimer()
		for n := 0; n < each; batches++ {
			batch := receive(b, s)
			settle(b, s, judged(batch, ingest.Ack))
			n += len(batch)
		}
	}
	b.ReportMetric(float64(b.N*each)/float64(batches), "messages/batch")
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "messages/s")
}

package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// numbered returns messages whose bodies are numbers.
func numbered(from, to int) (all []amqp.Publishing) {
	for n := from; n < to; n++ {
		all = append(all, amqp.Publishing{Body: fmt.Append(nil, n)})
	}
	return all
}

func numbers(from, to int) (all []string) {
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

func receive(t testing.TB, s *Source) []ingest.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	batch, err := s.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// receiveFull waits until n messages have arrived, and receives them as one batch.
func receiveFull(t testing.TB, s *Source, n int) []ingest.Message {
	t.Helper()
	l, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() string {
		if got := len(l.incoming); got < n {
			return fmt.Sprintf("%d of %d messages have come", got, n)
		}
		return ""
	})
	return receive(t, s)
}

// receiveAll receives and acknowledges n messages, in any number of batches.
func receiveAll(t testing.TB, s *Source, n int) (all []ingest.Message) {
	t.Helper()
	for len(all) < n {
		batch := receive(t, s)
		settle(t, s, judged(batch, ingest.Ack))
		all = append(all, batch...)
	}
	return all
}

// judged assigns verdicts to a batch; the last verdict applies to the rest.
func judged(batch []ingest.Message, verdicts ...ingest.Verdict) []ingest.Settlement {
	all := make([]ingest.Settlement, len(batch))
	for i, m := range batch {
		all[i] = ingest.Settlement{Message: m, Verdict: verdicts[min(i, len(verdicts)-1)], Reason: "nobody can read it"}
	}
	return all
}

func settle(t testing.TB, s *Source, all []ingest.Settlement) {
	t.Helper()
	if err := s.Settle(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func bodies(batch []ingest.Message) (all []string) {
	for _, m := range batch {
		all = append(all, string(m.Body))
	}
	return all
}

func wantBodies(t testing.TB, batch []ingest.Message, want ...string) {
	t.Helper()
	if got := bodies(batch); !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

// wantLeft checks that n messages are ready in the queue, once no consumer holds any.
func (b *broker) wantLeft(t testing.TB, n int) {
	t.Helper()
	await(t, func() string {
		if state := b.state(t); state.Messages != n || state.Consumers > 0 {
			return fmt.Sprintf("%d messages are left, want %d; there are %d consumers", state.Messages, n, state.Consumers)
		}
		return ""
	})
}

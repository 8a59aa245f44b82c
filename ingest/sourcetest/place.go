package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/ingest"
)

// remade deletes and recreates the place while a batch of the old one is in hand. Progress committed for the old
// place must not count for the new one, whether the new one has more messages or fewer, and whether the consumer that
// holds the batch goes on or another one takes over.
func remade(t *testing.T, s Suite) {
	t.Helper()
	for name, test := range map[string]struct {
		before, after int
		settled       bool
		restart       bool
	}{
		"WithMoreInIt":             {10, 30, true, false},
		"WithFewerInIt":            {30, 10, true, false},
		"WithMoreInItAndARestart":  {10, 30, true, true},
		"WithFewerInItAndARestart": {30, 10, true, true},
		"AndTheConsumerDies":       {10, 30, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := s.Broker(t)
			r := s.recorder(t, b)
			source := b.Source(t)
			b.Produce(t, together(series("old", 0, test.before))...)
			batch := receive(t, source)
			b.Remake(t, together(series("new", 0, test.after))...)
			for _, m := range batch {
				s.ingestOne(t, r, m)
			}
			if test.settled {
				settleSoon(t, source, verdict(ingest.Ack, batch))
			}
			if test.restart {
				closeSource(t, source)
				source = b.Source(t)
			}
			stop := s.run(t, source, r)
			arrived(t, s, r, "new", test.after)
			b.Produce(t, together(series("new", test.after, test.after+5))...)
			arrived(t, s, r, "new", test.after+5)
			stop()
			next := b.Source(t)
			s.run(t, next, r)
			b.Produce(t, together(series("new", test.after+5, test.after+10))...)
			arrived(t, s, r, "new", test.after+10)
		})
	}
}

// remadeIdle deletes and recreates the place while a consumer waits for messages.
func remadeIdle(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	s.run(t, b.Source(t), r)
	b.Produce(t, together(series("old", 0, 20))...)
	arrived(t, s, r, "old", 20)
	b.Remake(t, together(series("new", 0, 20))...)
	arrived(t, s, r, "new", 20)
}

// together puts all messages into one ordered unit of the broker, such as a partition, whatever their group.
func together(messages []Produced) []Produced {
	for i := range messages {
		messages[i].Group = "red"
	}
	return messages
}

// arrived waits until n messages of a group are stored, and fails unless each was stored once and, if the broker
// keeps order, in order. Other stored messages do not matter.
func arrived(t testing.TB, s Suite, r *recorder, group string, n int) {
	t.Helper()
	var got []int
	await(t, func() string {
		got = r.numbers(group)
		if len(got) < n {
			return fmt.Sprintf("%d of %d messages of %s are stored: %v", len(got), n, group, got)
		}
		return ""
	})
	if s.Unordered {
		slices.Sort(got)
	}
	for want, is := range got {
		if want != is || len(got) > n {
			t.Fatalf("of %s, %v are stored, want 0 to %d, each once and in order", group, got, n-1)
		}
	}
}

// settleSoon settles as the loop does, retrying until it succeeds.
func settleSoon(t testing.TB, source ingest.Source, settlements []ingest.Settlement) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	await(t, func() string {
		if err := source.Settle(ctx, settlements); err != nil {
			return fmt.Sprintf("the batch cannot be settled: %v", err)
		}
		return ""
	})
}

// widened publishes messages to a part of the place that the consumer does not know yet.
func widened(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	stop := s.run(t, b.Source(t), r)
	b.Produce(t, series("red", 0, 20)...)
	arrived(t, s, r, "red", 20)
	b.Widen(t, series("wide", 0, 20)...)
	b.Produce(t, series("red", 20, 40)...)
	arrived(t, s, r, "red", 40)
	arrived(t, s, r, "wide", 20)
	stop()
	if n := r.repeated(); n > 0 {
		t.Errorf("%d messages came again", n)
	}
}

// waitsForDeadLetters has a message refused while no dead letter can be stored. The messages after it must wait, in
// order, and none may be lost.
func waitsForDeadLetters(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	reopen := b.CloseDeadLetters(t)
	refused := Produced{Group: "red", Body: body(nobody, "red", 0)}
	b.Produce(t, append(append(series("red", 0, 5), refused), series("red", 5, 10)...)...)
	source := &watched{Source: b.Source(t)}
	r := s.recorder(t, b)
	s.run(t, source, r)
	await(t, func() string {
		if source.failures.Load() == 0 && r.failed() == 0 {
			return "nothing has failed although dead letters have no place"
		}
		return ""
	})
	reopen()
	arrived(t, s, r, "red", 10)
	await(t, func() string {
		if len(b.DeadLetters(t)) == 0 {
			return "nothing is put aside"
		}
		return ""
	})
	b.Produce(t, series("red", 10, 15)...)
	arrived(t, s, r, "red", 15)
}

// watched counts how often its source failed to settle.
type watched struct {
	ingest.Source
	failures atomic.Int32
}

func (w *watched) Settle(ctx context.Context, settlements []ingest.Settlement) error {
	err := w.Source.Settle(ctx, settlements)
	if err != nil {
		w.failures.Add(1)
	}
	return err
}

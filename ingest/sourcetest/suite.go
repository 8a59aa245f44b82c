package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
)

func checks(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	source := b.Source(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := source.Check(ctx); err != nil {
		t.Errorf("a broker that is well: %v", err)
	}
	closeSource(t, source)

	b.Break(t)
	source = b.Source(t)
	ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := source.Check(ctx); err == nil {
		t.Error("a broker that is away: no error")
	}
	closeSource(t, source)
	b.Mend(t)
}

var groups = []string{"red", "green", "blue"}

// interleaved returns good messages of several groups, in turn.
func interleaved(from, to int, groups ...string) (all []Produced) {
	for n := from; n < to; n++ {
		for _, group := range groups {
			all = append(all, series(group, n, n+1)...)
		}
	}
	return all
}

func order(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	s.run(t, b.Source(t), r)
	b.Produce(t, interleaved(0, 100, groups...)...)
	awaitStored(t, r, 1)
	b.Produce(t, interleaved(100, 400, groups...)...)
	complete(t, r, !s.Unordered, 400, groups...)
}

func acknowledges(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	b.Produce(t, interleaved(0, 50, groups...)...)
	stop := s.run(t, b.Source(t), r)
	complete(t, r, !s.Unordered, 50, groups...)
	stop()
	next := b.Source(t)
	nothing(t, next, s.HoldsFor+500*time.Millisecond)
	closeSource(t, next)
}

// redelivers expects messages again that a consumer stored but did not settle before it died.
func redelivers(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	b.Produce(t, series("red", 0, 20)...)
	first := b.Source(t)
	before := map[string]string{}
	for _, m := range receive(t, first) {
		if m.Position == "" || before[m.Position] != "" {
			t.Errorf("position %q is not one message's alone", m.Position)
		}
		before[m.Position] = string(m.Body)
	}
	closeSource(t, first)

	second := b.Source(t)
	r := s.recorder(t, b)
	for found := 0; found < 20; {
		batch := receive(t, second)
		for _, m := range batch {
			if body, known := before[m.Position]; known && body != string(m.Body) {
				t.Errorf("position %s was %s, and is %s now", m.Position, body, m.Body)
			}
			delete(before, m.Position)
			if o := s.ingestOne(t, r, m); o.Err != nil {
				t.Fatal(o.Err)
			}
		}
		settle(t, second, verdict(ingest.Ack, batch)...)
		found += len(batch)
	}
	if len(before) > 0 {
		t.Errorf("%d messages did not come again under their positions: %v", len(before), before)
	}
	closeSource(t, second)
	complete(t, r, !s.Unordered, 20, "red")
}

func verdict(v ingest.Verdict, batch []ingest.Message) (all []ingest.Settlement) {
	for _, m := range batch {
		all = append(all, ingest.Settlement{Message: m, Verdict: v})
	}
	return all
}

// settles acknowledges a part of a batch and returns the rest.
func settles(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	b.Produce(t, series("red", 0, 20)...)
	first := b.Source(t)
	r := s.recorder(t, b)
	batch := receive(t, first)
	half := (len(batch) + 1) / 2
	for _, m := range batch[:half] {
		if o := s.ingestOne(t, r, m); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	settle(t, first, append(verdict(ingest.Ack, batch[:half]), verdict(ingest.Retry, batch[half:])...)...)
	closeSource(t, first)

	s.run(t, b.Source(t), r)
	complete(t, r, !s.Unordered, 20, "red")
	if n := r.repeated(); n > 0 {
		t.Errorf("%d messages that were acknowledged came again", n)
	}
}

func poison(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	refused := body(nobody, "red", 0)
	messages := append(series("red", 0, 5), Produced{Group: "red", Body: refused})
	bad := []string{refused}
	if !s.Readable {
		bad = append(bad, "{nobody can read this", `{"application": "acme", "payload": {}}`)
		for _, body := range bad[1:] {
			messages = append(messages, Produced{Group: "red", Body: body})
		}
	}
	messages = append(messages, series("red", 5, 10)...)
	b.Produce(t, messages...)
	r := s.recorder(t, b)
	stop := s.run(t, b.Source(t), r)
	complete(t, r, !s.Unordered, 10, "red")
	var letters []DeadLetter
	await(t, func() string {
		if letters = b.DeadLetters(t); len(letters) < len(bad) {
			return fmt.Sprintf("%d of %d messages are put aside", len(letters), len(bad))
		}
		return ""
	})
	stop()
	var found []string
	for _, letter := range letters {
		found = append(found, letter.Body)
		if strings.TrimSpace(letter.Reason) == "" {
			t.Errorf("no reason was put down for %s", letter.Body)
		}
	}
	if slices.Sort(found); !slices.Equal(found, slices.Sorted(slices.Values(bad))) {
		t.Errorf("put aside are %q, want %q", found, bad)
	}
	next := b.Source(t)
	nothing(t, next, s.HoldsFor+500*time.Millisecond)
	closeSource(t, next)
}

// backPressure makes the database unavailable for a while.
func backPressure(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	const each = ingest.BatchMost
	b.Produce(t, interleaved(0, each, groups...)...)
	r := s.recorder(t, b)
	r.goAway(true)
	s.run(t, b.Source(t), r)
	await(t, func() string {
		if r.asked() == 0 {
			return "nothing was received"
		}
		return ""
	})
	moment := time.After(time.Second) // long enough to have received all of them
	<-moment
	if got := r.asked(); got > ingest.BatchMost {
		t.Errorf("%d messages were received while none could be stored, want %d at most", got, ingest.BatchMost)
	}
	r.goAway(false)
	complete(t, r, !s.Unordered, each, groups...)
}

// extends processes a batch for longer than the broker's timeout, while another consumer is ready to take it over.
func extends(t *testing.T, s Suite) {
	t.Helper()
	if s.HoldsFor == 0 {
		t.Skip("this broker waits for as long as the connection lasts")
	}
	b := s.Broker(t)
	b.Produce(t, series("red", 0, 5)...)
	r := s.recorder(t, b)
	r.goAway(true)
	s.run(t, b.Source(t), r)
	await(t, func() string {
		if r.asked() < 5 {
			return fmt.Sprintf("%d of 5 messages were received", r.asked())
		}
		return ""
	})
	other := b.Source(t)
	nothing(t, other, 2*s.HoldsFor)
	closeSource(t, other)
	r.goAway(false)
	complete(t, r, !s.Unordered, 5, "red")
}

func shutdown(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	b.Produce(t, interleaved(0, 400, groups...)...)
	for stops := range 3 {
		stop := s.run(t, b.Source(t), r)
		awaitStored(t, r, 200*(stops+1))
		stop()
	}
	if n := r.repeated(); n > 0 {
		t.Errorf("%d messages came again although every stop was in good order", n)
	}
	s.run(t, b.Source(t), r)
	complete(t, r, !s.Unordered, 400, groups...)
}

func reconnect(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	s.run(t, b.Source(t), r)
	from := 0
	for range 3 {
		b.Produce(t, interleaved(from, from+100, groups...)...)
		awaitStored(t, r, len(groups)*from+1) // in the middle of the load
		b.Break(t)
		b.Mend(t)
		from += 100
	}
	b.Produce(t, interleaved(from, from+100, groups...)...)
	complete(t, r, !s.Unordered, from+100, groups...)
}

// rebalance starts and stops consumers under load.
func rebalance(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	stopFirst := s.run(t, b.Source(t), r)
	s.run(t, b.Source(t), r)
	for from := 0; from < 400; from += 100 {
		b.Produce(t, interleaved(from, from+100, groups...)...)
		switch from {
		case 100:
			s.run(t, b.Source(t), r)
		case 200:
			stopFirst()
		}
		awaitStored(t, r, len(groups)*from+1)
	}
	complete(t, r, !s.Unordered && !s.Solo, 400, groups...)
}

func carriesTrace(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	m := series("red", 0, 1)[0]
	m.Headers = map[string]string{"traceparent": trace}
	b.Produce(t, m)
	s.run(t, b.Source(t), r)
	complete(t, r, !s.Unordered, 1, "red")
	if got := r.trace(0); got != trace {
		t.Errorf("the message's trace is %q, want its producer's, %q", got, trace)
	}
}

package sourcetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
)

// unmeasured hides from the loop that a source can be measured, so that the test alone asks it.
type unmeasured struct{ ingest.Source }

// depth follows the numbers of messages and dead letters while messages wait, are in hand, are settled and refused,
// and while the broker is away.
func depth(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	source := b.Source(t).(ingest.Measured)
	b.Produce(t, interleaved(0, 4, groups...)...)
	r.goAway(true)
	s.run(t, unmeasured{source}, r)
	await(t, func() string {
		if r.asked() == 0 {
			return "nothing is in hand"
		}
		return ""
	})
	awaitDepth(t, s, source, "messages wait or are in hand", ingest.Depth{Lag: 12, DeadLetters: 0})
	r.goAway(false)
	awaitDepth(t, s, source, "all messages are stored", ingest.Depth{Lag: 0, DeadLetters: 0})
	b.Produce(t, Produced{Group: "red", Body: body(nobody, "red", 0)}, Produced{Group: "blue", Body: body(nobody, "blue", 0)})
	awaitDepth(t, s, source, "two messages are refused", ingest.Depth{Lag: 0, DeadLetters: 2})

	b.Break(t)
	await(t, func() string {
		got, err := ask(t, source)
		if unknown := (ingest.Depth{Lag: ingest.Unknown, DeadLetters: ingest.Unknown}); err == nil || got != unknown {
			return fmt.Sprintf("the broker is away, and the source has %+v, %v", got, err)
		}
		return ""
	})
	b.Mend(t)
	awaitDepth(t, s, source, "the broker is back", ingest.Depth{Lag: 0, DeadLetters: 2})
	b.Produce(t, interleaved(4, 5, groups...)...)
	complete(t, r, !s.Unordered, 5, groups...)
}

func ask(t testing.TB, source ingest.Measured) (ingest.Depth, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return source.Depth(ctx)
}

func awaitDepth(t testing.TB, s Suite, source ingest.Measured, when string, want ingest.Depth) {
	t.Helper()
	if s.Uncounted {
		want.DeadLetters = ingest.Unknown
	}
	await(t, func() string {
		if got, err := ask(t, source); err != nil || got != want {
			return fmt.Sprintf("%s, and the source has %+v, %v; want %+v", when, got, err, want)
		}
		return ""
	})
}

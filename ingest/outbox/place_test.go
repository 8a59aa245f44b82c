package outbox

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// looks is an outbox that records where each look starts, and returns configured results.
type looks struct {
	from []string
	time time.Time
	took time.Duration // how long a look at the whole outbox takes
	fail bool
}

func (l *looks) OutboxList(_ context.Context, from core.OutboxPlace, _ int, _ int64) ([]core.OutboxMessage, core.OutboxPlace, error) {
	l.from = append(l.from, from.Snapshot)
	if from.Snapshot == "" {
		l.time = l.time.Add(l.took)
	}
	if l.fail {
		return nil, core.OutboxPlace{}, errors.New("the server is gone")
	}
	return []core.OutboxMessage{{OutboxKey: core.OutboxKey{ID: 7}}}, core.OutboxPlace{Snapshot: "next"}, nil
}

func (l *looks) OutboxCount(context.Context, int) (int64, error) {
	l.time = l.time.Add(l.took)
	return 7, nil
}

// A consumer looks from its place on once a batch is settled, and at the whole outbox when it has no place.
func TestOutboxIsLookedAtFromTheLastPlace(t *testing.T) {
	t.Parallel()
	l := &looks{time: time.Now(), took: time.Second}
	s := New(l, func() time.Time { return l.time })
	receive := func(verdict ingest.Verdict) {
		batch, err := s.Receive(t.Context())
		if (err != nil) != l.fail {
			t.Fatal(err)
		}
		for _, m := range batch {
			if err := s.Settle(t.Context(), []ingest.Settlement{{Message: m}, {Message: m, Verdict: verdict}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	receive(ingest.Ack)
	receive(ingest.DeadLetter)
	receive(ingest.Retry) // a stop: nobody knows whether it is stored
	receive(ingest.Ack)
	l.fail = true
	receive(ingest.Ack)
	l.fail = false
	receive(ingest.Ack)
	l.time = l.time.Add(99 * time.Second)
	receive(ingest.Ack)
	l.time = l.time.Add(time.Second)
	receive(ingest.Ack)
	receive(ingest.Ack)
	if want := []string{"", "next", "next", "", "next", "", "next", "", "next"}; !slices.Equal(l.from, want) {
		t.Errorf("looked from %q, want %q", l.from, want)
	}
}

// A row that Postgres cannot read becomes a dead letter: the loop does not decode messages with an Err.
func TestOutboxMessageThatCannotBeRead(t *testing.T) {
	t.Parallel()
	unreadable := errors.New("no character")
	batch := messages([]core.OutboxMessage{{OutboxKey: core.OutboxKey{ID: 7}, Err: unreadable}, {OutboxKey: core.OutboxKey{ID: 8}, Payload: "{}"}})
	if batch[0].Position != "7/0" || !errors.Is(batch[0].Err, unreadable) || batch[1].Err != nil {
		t.Errorf("%+v", batch)
	}
}

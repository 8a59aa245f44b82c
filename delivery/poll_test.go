package delivery

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

// lookedQueue is an empty queue that notes when it is looked at.
type lookedQueue struct {
	*fakeQueue
	taken, claimed, expired []time.Time
}

func (q *lookedQueue) DeliveryTake(context.Context, core.Room, time.Time) (core.Taken, error) {
	q.taken = append(q.taken, time.Now())
	return core.Taken{}, nil
}

func (q *lookedQueue) DeliveryClaim(context.Context, core.Room, core.Queue, time.Time) (core.Claim, error) {
	q.claimed = append(q.claimed, time.Now())
	return core.Claim{}, nil
}

func (q *lookedQueue) DeliveryExpire(context.Context, time.Time) (int, error) {
	q.expired = append(q.expired, time.Now())
	return 0, nil
}

// TestWorkerThatHearsNothingLooksEverySecond: notifications may be announced on another node, or be lost in a pooler.
func TestWorkerThatHearsNothingLooksEverySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		q := &lookedQueue{fakeQueue: newQueue()}
		New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler)).Run(ctx)
		for what, looks := range map[string][]time.Time{"fresh deliveries": q.taken, "due deliveries": q.claimed, "expired leases": q.expired} {
			last := looks[0]
			for _, at := range append(looks, time.Now()) {
				if pause := at.Sub(last); pause > time.Second+emptyRest {
					t.Errorf("a worker did not look for %s for %s", what, pause)
				}
				last = at
			}
			if len(looks) < 59 {
				t.Errorf("a worker looked for %s %d times in a minute", what, len(looks))
			}
		}
	})
}

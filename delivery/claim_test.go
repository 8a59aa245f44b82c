package delivery

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// awayQueue is a queue whose database is unavailable for takes and expiries.
type awayQueue struct{ *fakeQueue }

func (q awayQueue) DeliveryExpire(context.Context, time.Time) (int, error) {
	return 0, errors.New("away")
}

func (q awayQueue) DeliveryTake(context.Context, core.Room, time.Time) (core.Taken, error) {
	return core.Taken{}, errors.New("away")
}

func TestLookEndsWithItsFirstFailure(t *testing.T) {
	t.Parallel()
	q, log := newQueue(), new(strings.Builder)
	w := New(testConfig(), awayQueue{q}, time.Now, slog.New(slog.NewTextHandler(log, nil)))
	if w.look(t.Context(), true, true) || len(q.claims) > 0 {
		t.Errorf("claimed %d times", len(q.claims))
	}
	if strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), "lease expiry failed; retrying") {
		t.Errorf("the log has\n%s", log)
	}
}

func TestTakesEndWithTheirFirstFailure(t *testing.T) {
	t.Parallel()
	log := new(strings.Builder)
	w := New(testConfig(), awayQueue{newQueue()}, time.Now, slog.New(slog.NewTextHandler(log, nil)))
	if w.take(t.Context()) || strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), "take failed; retrying") {
		t.Errorf("the log has\n%s", log)
	}
}

package delivery

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// backlogQueue has an endless backlog of one application, whose queues come before the queue of another application.
type backlogQueue struct {
	*fakeQueue
	each   int              // deliveries of the backlog that each claim finds
	claims int              // number of claims for all applications
	found  func(claims int) // called when a claim reaches the other application's queue
	takes  []core.Room
}

var backlogOf, other = core.Queue{EndpointID: "ep_1"}, core.Queue{EndpointID: "ep_2"}

func (q *backlogQueue) DeliveryClaim(_ context.Context, room core.Room, after core.Queue, _ time.Time) (core.Claim, error) {
	if after == other {
		q.found(q.claims)
		return core.Claim{}, nil
	}
	if slices.Contains(room.FullApps, "app_busy") {
		return core.Claim{Next: other}, nil
	}
	q.claims++
	return core.Claim{Deliveries: deliveriesOf("app_busy", min(room.Total, q.each)), Next: backlogOf}, nil
}

func (q *backlogQueue) DeliveryTake(_ context.Context, room core.Room, _ time.Time) (core.Taken, error) {
	q.takes = append(q.takes, room)
	return core.Taken{More: len(q.takes) < 3}, nil
}

// newBacklogWorker returns a worker whose attempts succeed at once, and whose clock advances by ten milliseconds each
// time it is read.
func newBacklogWorker(t *testing.T, q *backlogQueue) *Worker {
	t.Helper()
	now := time.Now()
	clock := func() time.Time {
		now = now.Add(10 * time.Millisecond)
		return now
	}
	config := testConfig()
	config.Concurrency = 1000 // more than are in flight at a time
	w := New(config, q, clock, slog.New(slog.DiscardHandler))
	w.dispatcher.attempt = func(_ context.Context, _ *queued, sent func()) bool { sent(); return true }
	t.Cleanup(func() { w.stop(time.Minute) })
	return w
}

// A customer with a thousand endpoints and twenty messages per second made the waiting deliveries of other customers
// wait until its own backlog was sent.
func TestClaimsFindOthersWhileOneApplicationHasABacklog(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var claims []int
	q := &backlogQueue{fakeQueue: newQueue(), each: 4, found: func(n int) {
		if claims = append(claims, n); len(claims) == 3 {
			cancel()
		}
	}}
	w := newBacklogWorker(t, q)
	for ctx.Err() == nil {
		w.claim(ctx)
	}
	if len(claims) < 3 {
		t.Fatalf("others were looked at after %v claims, and then no more", claims)
	}
	if slices.Contains(claims, 0) || claims[0] == claims[1] {
		t.Errorf("others were looked at after %v claims", claims)
	}
}

// Otherwise leases that ran out would not be expired until the end of the backlog.
func TestClaimEndsInTimeDuringABacklog(t *testing.T) {
	t.Parallel()
	w := newBacklogWorker(t, &backlogQueue{fakeQueue: newQueue(), each: 1, found: func(int) {}})
	if w.claim(t.Context()); len(w.wake) != 1 {
		t.Error("it does not say that there is more")
	}
}

// A round of many queues takes longer than that. Interrupted, it would begin anew each time, and an idle worker would
// never rest.
func TestClaimThatFindsNothingVisitsAllQueues(t *testing.T) {
	t.Parallel()
	q := &backlogQueue{fakeQueue: newQueue()}
	w := newBacklogWorker(t, q)
	w.queue = q.fakeQueue
	q.next = slices.Repeat([]core.Queue{backlogOf}, 500) // 10 ms each, at least
	if w.claim(t.Context()) || len(q.fakeQueue.claims) != 501 || len(w.wake) != 0 {
		t.Errorf("it made %d claims of 501, and wakes itself: %t", len(q.fakeQueue.claims), len(w.wake) == 1)
	}
}

func TestTakesReadMoreThanThereIsRoomForOnceTheyAreBehind(t *testing.T) {
	t.Parallel()
	q := &backlogQueue{fakeQueue: newQueue()}
	w := newBacklogWorker(t, q)
	w.take(t.Context())
	var read []int
	for _, room := range q.takes {
		read = append(read, room.Read)
	}
	if want := []int{0, takeRead, takeRead}; !slices.Equal(read, want) {
		t.Errorf("takes read %v, want %v", read, want)
	}
	if len(w.wake) != 1 {
		t.Error("nobody looks for those that there was no room for")
	}
	if q.takes = nil; w.take(t.Context()) {
		t.Error("it took something")
	}
	if q.takes[0].Read != 0 {
		t.Errorf("with nothing left it reads %d", q.takes[0].Read)
	}
}

package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/core"
)

// line models a FIFO endpoint: messages in the order they were stored, of which only the first can be in progress.
type line struct {
	w        *world
	inserter *MessageInserter
	at       time.Time // on a clock that the test advances

	waiting []core.MessageID
	free    time.Time // when the first may be attempted
	held    []core.Delivery
}

const lineLease = 10 * time.Second

func (l *line) send(t *rapid.T) {
	n := rapid.IntRange(1, 3).Draw(t, "messages")
	var messages []core.NewMessage
	for range n {
		messages = append(messages, l.w.event(nil))
	}
	for i, stored := range l.inserter.MessageInsertMany(l.w.t.Context(), messages) {
		if stored.Err != nil {
			t.Fatal(stored.Err)
		}
		l.waiting = append(l.waiting, messages[i].ID)
	}
}

// claim does what any worker does. It must get the first delivery, or nothing while that one may not be attempted.
func (l *line) claim(t *rapid.T) {
	r := core.Room{Total: 10, PerEndpoint: 10, LeasedUntil: l.at.Add(lineLease)}
	got := l.w.claimAt(r, l.at).Deliveries
	if len(l.waiting) == 0 || l.free.After(l.at) {
		if len(got) != 0 {
			t.Fatalf("claimed %s while %v wait until %s", got[0].MessageID, l.waiting, l.free.Sub(l.at))
		}
		return
	}
	if len(got) != 1 || got[0].MessageID != l.waiting[0] {
		t.Fatalf("claimed %+v, want %s alone", got, l.waiting[0])
	}
	l.held, l.free = append(l.held, got[0]), r.LeasedUntil
}

// record ends an attempt by the worker that has the lease or by one that had it before.
func (l *line) record(t *rapid.T) {
	if len(l.held) == 0 {
		t.Skip("nothing is under way")
	}
	i := rapid.IntRange(0, len(l.held)-1).Draw(t, "attempt")
	d, latest := l.held[i], i == len(l.held)-1
	var next time.Time
	if rapid.Bool().Draw(t, "fails") {
		next = l.at.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "wait")) * time.Second)
	}
	held := l.w.recordWith(core.HealthRules{}, result(d, next)).Held
	if held != latest {
		t.Fatalf("the result of lease %d was taken: %v", d.Lease, held)
	}
	if !latest {
		return
	}
	l.held = nil
	if l.free = next; next.IsZero() {
		l.waiting, l.free = l.waiting[1:], l.at
	}
}

// release does what a stopping worker does.
func (l *line) release(t *rapid.T) {
	if len(l.held) == 0 {
		t.Skip("nothing is under way")
	}
	if err := l.w.queue().DeliveryRelease(l.w.t.Context(), l.held, l.at); err != nil {
		t.Fatal(err)
	}
	// The lease's number remains: its worker could still record a result.
	l.held, l.free = l.held[len(l.held)-1:], l.at
}

// postpone does what a worker does that could not make the attempt. It has no effect for a worker that has lost the
// lease.
func (l *line) postpone(t *rapid.T) {
	if len(l.held) == 0 {
		t.Skip("nothing is under way")
	}
	i := rapid.IntRange(0, len(l.held)-1).Draw(t, "attempt")
	until := l.at.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "wait")) * time.Second)
	l.w.postpone(l.held[i], until)
	if i == len(l.held)-1 {
		l.free = until
	}
}

func (l *line) wait(t *rapid.T) {
	l.at = l.at.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
}

func TestFIFODeliveriesAreMadeInOrderOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	rapid.Check(t, func(t *rapid.T) {
		w.exec("DELETE FROM delivery")
		l := &line{w: w, inserter: NewMessageInserter(w.Store, &takes{room: room()}), at: now().Add(time.Second)}
		l.free = l.at
		w.worker, w.clock.local = nil, func() time.Time { return l.at }
		t.Repeat(map[string]func(*rapid.T){
			"send": l.send, "claim": l.claim, "record": l.record, "release": l.release,
			"postpone": l.postpone, "wait": l.wait,
		})
	})
}

// Everyone who sees a number also sees all lower ones, whichever process assigned them.
func TestFIFOOrderIsThatOfTheCommits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	first := w.event(nil)
	first.AppID = w.app.ID
	committed := make(chan core.MessageID, 1)
	w.in(func(ctx context.Context, tx core.Tx) error {
		if err := tx.MessageInsert(ctx, first.Message); err != nil {
			return err
		}
		if err := tx.DeliveryInsert(ctx, w.app.ID, first.ID, e.ID, now()); err != nil {
			return err
		}
		go func() { committed <- w.send(1)[0] }()
		for range 50 { // while the other process tries
			if got := w.claim(room()); len(got) != 0 {
				t.Errorf("claimed %+v before the one that was numbered first is committed", got)
			}
		}
		return nil
	})
	second := <-committed
	for _, want := range []core.MessageID{first.ID, second} {
		got := w.claim(room())
		if len(got) != 1 || got[0].MessageID != want {
			t.Fatalf("claimed %+v, want %s", got, want)
		}
		w.record(result(got[0], time.Time{}))
	}
}

func TestManyWorkersKeepTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	}
	plain := w.addEndpoint(nil)
	ids := w.send(40)
	got := map[core.EndpointID][]core.MessageID{}
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			q := w.queue()
			for idle := 0; idle < 20; idle++ {
				claim, err := q.DeliveryClaim(t.Context(), room(), core.Queue{}, now())
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range claim.Deliveries {
					idle = 0
					mu.Lock()
					got[d.EndpointID] = append(got[d.EndpointID], d.MessageID)
					mu.Unlock()
					if recorded, err := q.DeliveryRecord(t.Context(), result(d, time.Time{})); err != nil || !recorded.Held {
						t.Errorf("%s: held %v, %v", d.MessageID, recorded.Held, err)
					}
				}
			}
		})
	}
	workers.Wait()
	for id, order := range got {
		if id != plain.ID && fmt.Sprint(order) != fmt.Sprint(ids) {
			t.Errorf("%s got\n%v, want\n%v", id, order, ids)
		}
		if len(order) != len(ids) {
			t.Errorf("%s got %d of %d", id, len(order), len(ids))
		}
	}
}

func TestAFailingHeadBlocksItsEndpointAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	other := w.addEndpoint(nil)
	w.send(3)
	for _, d := range w.claim(room()) {
		if d.EndpointID == e.ID {
			w.recordWith(core.HealthRules{}, result(d, now().Add(time.Hour)))
		} else {
			w.record(result(d, time.Time{}))
		}
	}
	if owed := w.owed(); owed[e.ID] != 3 || owed[other.ID] != 0 || len(w.claim(room())) != 0 {
		t.Errorf("owed %v", owed)
	}
}

func TestOrderBeginsWithWhatIsStoredNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(2)
	w.exec("UPDATE endpoint SET fifo = true WHERE id = $1", e.ID)
	ids := w.send(2)
	if got := w.claim(room()); len(got) != 3 || got[2].MessageID != ids[0] {
		t.Errorf("claimed %+v, want the two from before and the first since", got)
	}
}

func TestWhatIsAskedForByHandTakesItsPlaceInTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	ids := w.send(2)
	done := w.claim(room())[0]
	w.record(result(done, time.Time{}))
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.DeliveryResend(ctx, w.app.ID, done.MessageID, e.ID, now())
	})
	for _, want := range []core.MessageID{ids[1], ids[0]} {
		got := w.claim(room())
		if len(got) != 1 || got[0].MessageID != want || got[0].Manual != (want == ids[0]) {
			t.Fatalf("claimed %+v, want %s", got, want)
		}
		w.record(result(got[0], time.Time{}))
	}
}

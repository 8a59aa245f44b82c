package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

func (w *world) take(room core.Room, at time.Time) core.Taken {
	w.t.Helper()
	taken, err := w.queue().DeliveryTake(w.t.Context(), room, at)
	if err != nil {
		w.t.Fatal(err)
	}
	return taken
}

// sweep finds everything that takes, claims and expiries have missed, and returns how many deliveries it found.
func (w *world) sweep(at time.Time) int {
	w.t.Helper()
	n, err := w.queue().DeliverySweep(w.t.Context(), at)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func takeRoom(n int) core.Room {
	return core.Room{Fresh: true, Total: n, PerEndpoint: n, LeasedUntil: now().Add(time.Minute)}
}

// owe inserts fresh deliveries to an endpoint in a transaction.
func owe(t *testing.T, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, e core.Endpoint, n int,
) {
	t.Helper()
	var owed int
	if err := conn.QueryRow(t.Context(), `WITH message AS (
			INSERT INTO message (app_id, id, event_type, payload, expires_at, created_at)
			SELECT $1, 'msg_' || left(encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 27), 'x', '{}', now() + '1 h', now()
			FROM generate_series(1, $3)
			RETURNING app_id, id
		), delivery AS (
			INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, state)
			SELECT app_id, id, $2, now(), 0, 'fresh' FROM message
			RETURNING 1
		)
		SELECT count(*) FROM delivery`, e.AppID, e.ID, n).Scan(&owed); err != nil || owed != n {
		t.Fatalf("%d deliveries: %v", owed, err)
	}
}

func (w *world) begin() pgx.Tx {
	w.t.Helper()
	tx, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(w.t.Context())) })
	return tx
}

func (w *world) commit(tx pgx.Tx) {
	w.t.Helper()
	if err := tx.Commit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) states() map[string]int {
	w.t.Helper()
	states := map[string]int{}
	for _, state := range []string{"fresh", "waiting", "leased"} {
		if n := value[int](w, "SELECT count(*) FROM delivery WHERE state = $1", state); n > 0 {
			states[state] = n
		}
	}
	return states
}

func TestTakeFindsWhatCommitsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	late, later := w.begin(), w.begin()
	owe(t, late, e, 3)
	owe(t, later, e, 2)
	owe(t, w.pool, e, 4)
	if taken := w.take(takeRoom(100), now()); len(taken.Deliveries) != 4 {
		t.Errorf("before the others committed: %d", len(taken.Deliveries))
	}
	w.commit(late)
	owe(t, w.pool, e, 1)
	if taken := w.take(takeRoom(100), now()); len(taken.Deliveries) != 4 {
		t.Errorf("after one committed: %d", len(taken.Deliveries))
	}
	owe(t, w.pool, e, 1)
	if taken := w.take(takeRoom(100), now()); len(taken.Deliveries) != 1 {
		t.Errorf("while the other one is in progress: %d", len(taken.Deliveries))
	}
	w.commit(later)
	if taken := w.take(takeRoom(100), now()); len(taken.Deliveries) != 2 || w.states()["leased"] != 11 {
		t.Errorf("after the other committed: %d; %v", len(taken.Deliveries), w.states())
	}
}

// A take may end in the middle of a transaction's deliveries, even if the transaction committed late.
func TestTakeGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	late := w.begin()
	owe(t, late, e, 25)
	owe(t, w.pool, e, 25)
	w.take(takeRoom(7), now())
	w.commit(late)
	owe(t, w.pool, e, 25)
	taken, seen := 7, map[core.MessageID]bool{}
	for range 100 {
		some := w.take(takeRoom(7), now())
		for _, d := range some.Deliveries {
			if seen[d.MessageID] {
				t.Errorf("%s was taken twice", d.MessageID)
			}
			seen[d.MessageID] = true
		}
		if taken += len(some.Deliveries); !some.More {
			break
		}
	}
	if taken != 75 || w.states()["leased"] != 75 {
		t.Errorf("%d were taken; %v", taken, w.states())
	}
}

func TestTakeMovesAsideWhatCannotBeSentAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	free, full := w.addEndpoint(nil), w.addEndpoint(nil)
	throttled, paused, disabled, deleted, expunged := w.addEndpoint(nil), w.addEndpoint(nil), w.addEndpoint(nil), w.addEndpoint(nil), w.addEndpoint(nil)
	for _, e := range []core.Endpoint{free, full, throttled, paused, disabled, deleted} {
		owe(t, w.pool, e, 3)
	}
	w.exec("UPDATE endpoint SET throttle_rate = 1 WHERE id = $1", throttled.ID)
	w.exec("UPDATE endpoint SET paused_at = now(), paused_until = now() + '1 h' WHERE id = $1", paused.ID)
	w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", disabled.ID)
	w.exec("UPDATE endpoint SET deleted_at = now() WHERE id = $1", deleted.ID)
	owe(t, w.pool, expunged, 3)
	w.exec("UPDATE message SET payload = NULL FROM delivery WHERE message_id = id AND endpoint_id = $1", expunged.ID)
	room := takeRoom(100)
	room.PerEndpoint, room.Full = 2, []core.EndpointID{full.ID}
	taken := w.take(room, now())
	if len(taken.Deliveries) != 2 || taken.Deliveries[0].EndpointID != free.ID {
		t.Errorf("took %+v", taken.Deliveries)
	}
	if states := w.states(); states["fresh"] != 0 || states["waiting"] != 19 || states["leased"] != 2 {
		t.Errorf("%v", states)
	}
	claim := w.claimAt(core.Room{Total: 100, PerEndpoint: 100, LeasedUntil: now().Add(time.Minute)}, now())
	got := map[core.EndpointID]int{}
	for _, d := range claim.Deliveries {
		got[d.EndpointID]++
	}
	if got[free.ID] != 1 || got[full.ID] != 3 || got[throttled.ID] != 1 || got[paused.ID] != 0 || len(claim.Dropped) != 3 || len(claim.Withdrawn) != 2 {
		t.Errorf("claimed %v, dropped %d, withdrawn %+v", got, len(claim.Dropped), claim.Withdrawn)
	}
}

func TestTakeHasAllThatAClaimHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.Headers = core.Headers{"X-A": "b"} })
	w.store(1)
	taken := w.take(takeRoom(10), now()).Deliveries
	if len(taken) != 1 {
		t.Fatalf("took %d", len(taken))
	}
	w.exec("UPDATE delivery SET state = 'waiting', due_at = now() - interval '1 s', lease = 0")
	claimed := w.claim(room())
	claimed[0].LeasedUntil = taken[0].LeasedUntil
	if a, b := fmt.Sprintf("%+v", taken), fmt.Sprintf("%+v", claimed); a != b {
		t.Errorf("taken\n%s\nclaimed\n%s", a, b)
	}
}

func TestLeasesThatRunOutWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.store(3)
	q := w.queue()
	start := now()
	for _, step := range []struct {
		at   time.Duration
		want int
	}{{0, 0}, {59 * time.Second, 0}, {61 * time.Second, 3}, {62 * time.Second, 0}} {
		if step.at == 0 {
			w.take(takeRoom(10), start)
		}
		n, err := q.DeliveryExpire(t.Context(), start.Add(step.at))
		if err != nil || n != step.want {
			t.Errorf("after %s: %d leases ended, %v; want %d", step.at, n, err, step.want)
		}
	}
	claimed := w.claimAt(room(), start.Add(time.Minute*2)).Deliveries
	if len(claimed) != 3 || claimed[0].Lease != 2 {
		t.Errorf("claimed %+v", claimed)
	}
}

// This lease ended long before the last expiry: a worker whose clock is far behind committed it.
func TestLeasesOfASlowClockRunOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	q := w.queue()
	if _, err := q.DeliveryExpire(t.Context(), now()); err != nil {
		t.Fatal(err)
	}
	w.store(2)
	room := takeRoom(10)
	room.LeasedUntil = now().Add(-time.Hour)
	w.take(room, now())
	if n, err := q.DeliveryExpire(t.Context(), now()); n != 0 || err != nil {
		t.Errorf("%d leases ended: %v", n, err)
	}
	if n := w.sweep(now()); n != 2 {
		t.Errorf("a sweep found %d", n)
	}
}

// After a restore into another cluster, transaction numbers have another meaning.
func TestFreshDeliveriesOfAnotherClusterAreFound(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"higher numbers": "UPDATE delivery SET txid = '9000000000'",
		"lower numbers":  "UPDATE delivery SET txid = '3'",
		"no position":    "DELETE FROM delivery_position",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			owe(t, w.pool, e, 1)
			w.take(takeRoom(10), now())
			owe(t, w.pool, e, 5)
			w.exec("UPDATE delivery_position SET snapshot = '9000000100:9000000100:'")
			w.exec(sql)
			owe(t, w.pool, e, 2)
			w.take(takeRoom(10), now()) // advances to a position in this cluster
			w.sweep(now())
			w.claim(room())
			if states := w.states(); states["leased"] != 8 {
				t.Errorf("%v", states)
			}
		})
	}
}

// Deliveries that were locked when the position passed them wait after a sweep.
func TestLockedFreshDeliveriesAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	owe(t, w.pool, e, 5)
	tx := w.begin()
	if _, err := tx.Exec(t.Context(), "SELECT FROM delivery ORDER BY message_id LIMIT 2 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if taken := w.take(takeRoom(10), now()); len(taken.Deliveries) != 3 {
		t.Errorf("took %d beside a lock on 2 of 5", len(taken.Deliveries))
	}
	if n := w.sweep(now()); n != 0 {
		t.Errorf("%d locked ones were made to wait", n)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.sweep(now()); n != 2 || len(w.claim(room())) != 2 {
		t.Errorf("%d were found after the lock", n)
	}
}

// One process takes at a time. The next one takes what it does not commit.
func TestTakesTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	owe(t, w.pool, e, 5)
	tx := w.begin()
	if _, err := tx.Exec(t.Context(), "SELECT FROM delivery_position FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if taken := w.take(takeRoom(10), now()); !taken.Busy || len(taken.Deliveries) != 0 {
		t.Errorf("beside another take: %+v", taken)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if taken := w.take(takeRoom(10), now()); taken.Busy || len(taken.Deliveries) != 5 {
		t.Errorf("after it: %+v", taken)
	}
	if n := value[int](w, "SELECT count(*) FROM delivery_position"); n != 1 {
		t.Errorf("%d positions", n)
	}
}

// One application's earlier deliveries used to block the others' deliveries until they were sent.
func TestTakeHasApplicationsTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owe(t, w.pool, w.addEndpoint(nil), 20)
	other := w.addApplication(testOrg, "other")
	owe(t, w.pool, w.addEndpoint(func(e *core.Endpoint) { e.AppID = other.ID }), 2)
	room := takeRoom(5)
	room.Read = 100
	taken := w.take(room, now())
	apps := map[core.AppID]int{}
	for _, d := range taken.Deliveries {
		apps[d.AppID]++
	}
	if apps[w.app.ID] != 3 || apps[other.ID] != 2 || taken.More {
		t.Errorf("of 20 and 2 deliveries, with room for 5, %v were taken; more: %v", apps, taken.More)
	}
	if states := w.states(); states["leased"] != 5 || states["waiting"] != 17 {
		t.Errorf("%v, want those that there was no room for to wait", states)
	}
	if claimed := w.claim(takeRoom(100)); len(claimed) != 17 {
		t.Errorf("%d of those that wait are claimed", len(claimed))
	}
}

// Fresh deliveries are taken in the order in which they were stored.
func TestMessageToManyEndpointsLeavesFreshDeliveriesOfOthersNearTheFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.addApplication(testOrg, "other")
	w.addEndpoints(w.app.ID, freshPerApp+10, "NULL")
	w.addEndpoints(other.ID, 1, "NULL")
	w.store(1)
	states := w.states()
	if states["fresh"] != freshPerApp || states["waiting"] != 10 {
		t.Errorf("%v, want %d fresh", states, freshPerApp)
	}
	if taken := w.take(takeRoom(1000), now()); len(taken.Deliveries) != freshPerApp {
		t.Errorf("%d were taken", len(taken.Deliveries))
	}
	if claimed := w.claim(takeRoom(1000)); len(claimed) != 10 {
		t.Errorf("%d were claimed", len(claimed))
	}
}

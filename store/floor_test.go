package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// oweWaiting inserts a waiting delivery into a queue of an endpoint.
func (w *world) oweWaiting(e core.Endpoint, kind core.QueueKind, dueAt time.Time) {
	w.t.Helper()
	w.exec(`WITH message AS (
			INSERT INTO message (app_id, id, event_type, payload, expires_at, created_at)
			VALUES ($1, 'msg_' || left(encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 27), 'x', '{}', now() + '1 h', now())
			RETURNING app_id, id
		)
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, state, queue, attempts)
		SELECT app_id, id, $2, $3, 0, 'waiting', $4::smallint, CASE WHEN $4 = 1 THEN 1 ELSE 0 END
		FROM message`, e.AppID, e.ID, dueAt, int16(kind))
}

// look lists what is due, a few queues at a time.
func (w *world) look(known []floor, most int, at time.Time) (owed []string) {
	w.t.Helper()
	f := floors{all: known}
	for after := (core.Queue{}); ; {
		p := f.from(after, at)
		p.AfterQueue, p.AfterEndpointID, p.MaxQueues, p.Now = int16(after.Kind), string(after.EndpointID), int32(most), at
		rows, err := queries.DeliveryOwedListAnyTenant(w.t.Context(), w.pool, p)
		if err != nil {
			w.t.Fatal(err)
		}
		after = core.Queue{}
		for _, row := range rows {
			if row.AppID != "" && !row.DueAt.After(at) {
				owed = append(owed, fmt.Sprintf("%d %s %s %s", row.Queue, row.AppID, row.EndpointID, row.DueAt))
			}
			last := core.Queue{EndpointID: core.EndpointID(row.EndpointID), Kind: core.QueueKind(row.Queue)}
			if int(row.N) == most && last != endOfQueues {
				after = last
			}
		}
		if after == (core.Queue{}) {
			return owed
		}
	}
}

func TestFloorsHideNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var queues []core.Queue
	endpoints := map[core.EndpointID]core.Endpoint{}
	for range 4 {
		e := w.addEndpoint(nil)
		endpoints[e.ID] = e
		for kind := range core.QueueKind(queueKinds) {
			queues = append(queues, core.Queue{EndpointID: e.ID, Kind: kind})
		}
	}
	slices.SortFunc(queues, core.Queue.Compare)
	at := now()
	rapid.Check(t, func(t *rapid.T) {
		w.exec("DELETE FROM delivery")
		var known []floor
		for _, queue := range queues {
			first := at.Add(time.Hour)
			for n := rapid.IntRange(0, 3).Draw(t, "deliveries"); n > 0; n-- {
				due := at.Add(-time.Duration(rapid.IntRange(-5, 30).Draw(t, "since")) * time.Second)
				w.oweWaiting(endpoints[queue.EndpointID], queue.Kind, due)
				if due.Before(first) {
					first = due
				}
			}
			if rapid.Bool().Draw(t, "floor") {
				known = append(known, floor{Queue: queue, since: first})
			}
		}
		want := w.look(nil, claimQueues, at)
		most := rapid.IntRange(1, 14).Draw(t, "queues at a time")
		if got := w.look(known, most, at); !slices.Equal(got, want) {
			t.Fatalf("with floors\n%q\nwithout\n%q", got, want)
		}
	})
}

func TestFloorsFollowWhatIsDue(t *testing.T) {
	t.Parallel()
	a, b, c := core.Queue{EndpointID: "ep_a"}, core.Queue{EndpointID: "ep_b"}, core.Queue{EndpointID: "ep_c"}
	f, at := floors{worth: 2}, time.Now()
	known := func() map[string]time.Time {
		p, since := f.from(core.Queue{}, at), map[string]time.Time{}
		for i, id := range p.FloorEndpointIDs[:len(p.FloorQueues)-queueKinds] { // all are of the first kind
			since[id] = p.FloorSinces[i]
		}
		return since
	}
	wanted := func(when string, want map[string]time.Time) {
		t.Helper()
		if got := known(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	for _, queue := range []core.Queue{c, a, b, a, c} {
		f.took(queue, 0)
	}
	f.from(core.Queue{}, at) // the first look goes back further
	wanted("two of a and c, one of b", map[string]time.Time{"ep_a": {}, "ep_c": {}})
	backlog, margin := at.Add(-time.Minute), at.Add(-floorMargin)
	f.looked(core.Queue{}, core.Queue{}, []core.Owed{{Queue: a, DueAt: backlog}}, at)
	wanted("a has a backlog", map[string]time.Time{"ep_a": backlog, "ep_c": margin})
	f.looked(a, b, nil, at.Add(time.Hour))
	wanted("a look at b alone", map[string]time.Time{"ep_a": backlog, "ep_c": margin})
	f.looked(core.Queue{}, core.Queue{}, []core.Owed{{Queue: c, DueAt: at}}, at)
	wanted("a is empty, c has something new", map[string]time.Time{"ep_a": margin, "ep_c": margin})
	at = at.Add(floorSlowInterval)
	wanted("a slow look", map[string]time.Time{"ep_a": margin.Add(-floorMarginSlow), "ep_c": margin.Add(-floorMarginSlow)})
	wanted("the next one", map[string]time.Time{"ep_a": margin, "ep_c": margin})

	all := []core.Queue{a, b, c}
	f.swept(all, []db.DeliveryFirstManyAnyTenantRow{{EndpointID: "ep_a", DueAt: at.Add(-time.Hour)}, {EndpointID: "ep_c", DueAt: at}}, true)
	wanted("a sweep found something of a", map[string]time.Time{"ep_a": at.Add(-time.Hour), "ep_c": margin})
	f.took(c, 0)
	f.swept(all, nil, false)
	wanted("another sweep, slow", map[string]time.Time{"ep_a": at.Add(-time.Hour), "ep_c": margin})
	f.took(c, 0)
	f.swept(all, nil, true)
	wanted("nothing was taken of a and b, and it was quick", map[string]time.Time{"ep_c": margin})
}

// A sweep finds deliveries that were due before the floor of their queue.
func TestSweepFindsWhatIsBelowAFloor(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo %t", fifo), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e, kind := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = fifo }), core.QueueFirst
			if fifo {
				kind = core.QueueOrdered
			}
			w.oweWaiting(e, kind, now().Add(-time.Minute))
			w.record(result(w.claim(room())[0], time.Time{}))
			w.claim(room())
			w.oweWaiting(e, kind, now().Add(-time.Hour))
			w.exec("UPDATE delivery SET seq = 0 WHERE queue = 2")
			if got := w.claim(room()); len(got) != 0 {
				t.Fatalf("claimed %+v", got)
			}
			w.sweep(now())
			if got := w.claim(room()); len(got) != 1 {
				t.Fatalf("claimed %+v after a sweep", got)
			}
		})
	}
}

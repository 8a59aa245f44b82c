package store

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postrider/postrider/core"
)

func TestADeliveryCarriesContentTypeAndSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) {
		e.OldSecrets = []core.Secret{core.NewSecret(), core.NewSecret()}
		e.OldSecretsExpireAt = []time.Time{now().Add(time.Hour), now().Add(-time.Hour)}
	})
	event := w.event(func(m *core.NewMessage) { m.ContentType = new("text/csv") })
	d := &takes{room: room()}
	if _, err := NewMessageInserter(w.Store, d).MessageInsert(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	w.exec("UPDATE delivery SET due_at = now()")
	for name, deliveries := range map[string][]core.Delivery{"handed over": d.taken, "claimed": w.claim(room())} {
		if len(deliveries) != 1 {
			t.Fatalf("%s: %d deliveries", name, len(deliveries))
		}
		got := deliveries[0]
		if got.ContentType == nil || *got.ContentType != "text/csv" || len(got.Secrets) != 2 ||
			got.Secrets[0].Text() != e.Secret.Text() || got.Secrets[1].Text() != e.OldSecrets[0].Text() {
			t.Errorf("%s: content type %v, %d secrets", name, got.ContentType, len(got.Secrets))
		}
	}
}

func TestAClaimHasAllItTakesToSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	r := room()
	got := w.claim(r)
	if len(got) != 1 {
		t.Fatalf("claimed %d deliveries", len(got))
	}
	d := got[0]
	if d.AppID != w.app.ID || d.MessageID != id || d.EndpointID != e.ID || d.Lease != 1 || d.Attempts != 0 ||
		d.URL != e.URL || d.Secrets[0].Text() != e.Secret.Text() || d.Headers["X-Team"] != "billing" ||
		d.Payload != `{"a": 1}` || !d.LeasedUntil.Equal(r.LeasedUntil) {
		t.Errorf("claimed %+v", d)
	}
	if again := w.claim(room()); len(again) != 0 {
		t.Errorf("claimed again under a lease: %+v", again)
	}
}

func TestALeaseThatRanOutIsClaimedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	r := room()
	r.LeasedUntil = now().Add(-time.Millisecond)
	first := w.claim(r)
	second := w.claim(room())
	if len(first) != 1 || len(second) != 1 || second[0].Lease != first[0].Lease+1 {
		t.Fatalf("claimed %+v, then %+v", first, second)
	}
	if w.record(result(first[0], time.Time{})) {
		t.Error("a result was taken from the lease that ran out")
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("the result of a lease that ran out left %d deliveries, want the new owner's", n)
	}
	if w.record(result(first[0], now().Add(time.Hour))) {
		t.Error("a retry was taken from the lease that ran out")
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE attempts = 0"); n != 1 {
		t.Error("a retry of a lease that ran out changed the new owner's delivery")
	}
	if !w.record(result(second[0], time.Time{})) {
		t.Error("the result of the lease that holds was not taken")
	}
	if attempts := value[int](w, "SELECT count(*) FROM attempt"); attempts != 3 {
		t.Errorf("%d attempts are written down, want all 3 that were made", attempts)
	}
}

func TestClaimsGoFromEndpointToEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second, third := w.addEndpoint(nil), w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(10)
	perEndpoint := func(deliveries []core.Delivery) map[core.EndpointID]int {
		counts := map[core.EndpointID]int{}
		for _, d := range deliveries {
			counts[d.EndpointID]++
		}
		return counts
	}
	r := room()
	r.PerEndpoint, r.Full = 4, []core.EndpointID{third.ID}
	if got, want := perEndpoint(w.claim(r)), (map[core.EndpointID]int{first.ID: 4, second.ID: 4}); !maps.Equal(got, want) {
		t.Errorf("claimed %v, want %v", got, want)
	}
	r = core.Room{Total: 3, PerEndpoint: 3, LeasedUntil: now().Add(time.Minute)}
	var after core.Queue
	total := map[core.EndpointID]int{}
	for range 3 {
		claim, err := w.queue().DeliveryClaim(t.Context(), r, after, now())
		if err != nil {
			t.Fatal(err)
		}
		after = claim.Next
		for id, n := range perEndpoint(claim.Deliveries) {
			total[id] += n
		}
	}
	if want := (map[core.EndpointID]int{first.ID: 3, second.ID: 3, third.ID: 3}); !maps.Equal(total, want) {
		t.Errorf("three claims of three took %v, want %v", total, want)
	}
}

func TestTwoWorkersNeverClaimTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.addEndpoint(nil)
	w.send(100)
	type key struct {
		m core.MessageID
		e core.EndpointID
	}
	var mu sync.Mutex
	claimed := map[key]int{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			r := core.Room{Total: 7, PerEndpoint: 5, LeasedUntil: now().Add(time.Minute)}
			for after, empty := (core.Queue{}), 0; empty < 2; {
				claim, err := w.queue().DeliveryClaim(t.Context(), r, after, now())
				if err != nil {
					t.Error(err)
					return
				}
				after = claim.Next
				if len(claim.Deliveries) == 0 && after == (core.Queue{}) {
					empty++
				}
				mu.Lock()
				for _, d := range claim.Deliveries {
					claimed[key{d.MessageID, d.EndpointID}]++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for _, d := range w.claim(core.Room{Total: 1000, PerEndpoint: 1000, LeasedUntil: now().Add(time.Minute)}) {
		claimed[key{d.MessageID, d.EndpointID}]++ // deliveries that every worker skipped because another one had locked them
	}
	for k, n := range claimed {
		if n != 1 {
			t.Errorf("%v was claimed %d times", k, n)
		}
	}
	if len(claimed) != 200 {
		t.Errorf("%d of 200 deliveries were claimed", len(claimed))
	}
}

func TestAClaimDropsWhatCanNoLongerBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disabled, kept := w.addEndpoint(nil), w.addEndpoint(nil)
	ids := w.send(3)
	w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", disabled.ID)
	w.exec("UPDATE message SET payload = NULL WHERE id = $1", ids[0])
	w.exec("UPDATE message SET expires_at = now() WHERE id = $1", ids[1])
	got := w.claim(room())
	if len(got) != 1 || got[0].EndpointID != kept.ID || got[0].MessageID != ids[2] {
		t.Errorf("claimed %+v", got)
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("%d deliveries are left, want the one that was claimed", n)
	}
}

func TestPlansAreSteady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if seqscan := value[string](w, "SHOW enable_seqscan"); seqscan != "off" {
		t.Errorf("enable_seqscan is %s", seqscan)
	}
	const statement = "SELECT id FROM application WHERE id = ANY ($1::text[])"
	err := w.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		for range 2 {
			if _, err := conn.Exec(t.Context(), statement, []string{"app_1"}); err != nil {
				return err
			}
		}
		var custom, generic int
		err := conn.QueryRow(t.Context(), "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement = $1", statement).
			Scan(&custom, &generic)
		if custom != 0 || generic != 2 {
			t.Errorf("%d executions were planned for their values, and %d of 2 for any", custom, generic)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// First attempts and retries make up half each, so that the size of neither half reveals that there is more.
func TestAClaimTellsOfWhomMoreIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.send(10)
	w.exec("UPDATE delivery SET queue = 1 WHERE message_id IN (SELECT id FROM message ORDER BY id LIMIT 5)")
	w.exec("DELETE FROM delivery WHERE endpoint_id = $1 AND message_id NOT IN (SELECT id FROM message ORDER BY id LIMIT 1)", other.ID)
	r := room()
	r.PerEndpoint = 5
	c := w.claimAt(r, now())
	if len(c.Deliveries) != 5 || len(c.More) != 2 || c.More[0] != e.ID || c.More[1] != e.ID {
		t.Errorf("%d are claimed, more is due to %v", len(c.Deliveries), c.More)
	}
	if c = w.claimAt(room(), now()); len(c.Deliveries) != 6 || len(c.More) != 0 {
		t.Errorf("%d are claimed, more is due to %v", len(c.Deliveries), c.More)
	}
}

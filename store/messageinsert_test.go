package store

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestMessageGoesToTheEndpointsThatWantIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.addEndpoint(nil)
	typed := w.addEndpoint(func(e *core.Endpoint) { e.EventTypes = []string{"user.created", "invoice.paid"} })
	channel := w.addEndpoint(func(e *core.Endpoint) { e.Channels = []string{"eu", "us"} })
	w.addEndpoint(func(e *core.Endpoint) { e.EventTypes = []string{"user.created"} })
	w.addEndpoint(func(e *core.Endpoint) { e.Channels = []string{"asia"} })
	w.addEndpoint(func(e *core.Endpoint) { e.Disabled = true })
	gone := w.addEndpoint(nil)
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointDelete(ctx, w.app.ID, gone.ID, now()) })
	inserter := NewMessageInserter(w.Store, nil)

	if _, err := inserter.MessageInsert(t.Context(), w.event(nil)); err != nil {
		t.Fatal(err)
	}
	want := map[core.EndpointID]int{all.ID: 1, typed.ID: 1}
	if got := w.owed(); !maps.Equal(got, want) {
		t.Errorf("without channels: owed %v, want %v", got, want)
	}
	_, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.Channels = []string{"us", "asia-2"} }))
	if err != nil {
		t.Fatal(err)
	}
	want = map[core.EndpointID]int{all.ID: 2, typed.ID: 2, channel.ID: 1}
	if got := w.owed(); !maps.Equal(got, want) {
		t.Errorf("with channels: owed %v, want %v", got, want)
	}
}

func TestMessageIsReadBackByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	payload := "{ \"b\":1,\t\"a\" : 12345678901234567890.10, \"<&>\":\"é\\u0000\\u00e9\" }\n"
	eventID := "evt-1"
	in := w.event(func(m *core.NewMessage) {
		m.Payload, m.EventID, m.Channels, m.Tags = &payload, &eventID, []string{"NULL", "b"}, []string{"t"}
		m.AppRef = "acme"
	})
	stored, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{string(in.ID), eventID} {
		got, err := w.MessageGet(t.Context(), w.app.ID, ref)
		if err != nil {
			t.Fatal(err)
		}
		if *got.Payload != payload || *stored.Payload != payload {
			t.Errorf("payload %q, stored as %q", *got.Payload, payload)
		}
		if got.ID != in.ID || got.AppID != w.app.ID || *got.EventID != eventID || !got.CreatedAt.Equal(in.CreatedAt) ||
			len(got.Channels) != 2 || got.Channels[0] != "NULL" || got.Tags[0] != "t" {
			t.Errorf("by %s: %+v", ref, got)
		}
	}
}

func TestMessageToNoApplicationIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.addApplication("org_other", "theirs")
	gone := w.addApplication(testOrg, "gone")
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.ApplicationDelete(ctx, testOrg, gone.ID, now()) })
	inserter := NewMessageInserter(w.Store, nil)
	for _, ref := range []string{"nobody", "app_nobody", string(other.ID), "theirs", string(gone.ID), "gone"} {
		_, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.AppRef = ref }))
		if !core.IsKind(err, core.KindNotFound) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM message"); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestEventIDIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inserter := NewMessageInserter(w.Store, nil)
	id := "evt-1"
	named := func(m *core.NewMessage) { m.EventID = &id }
	if _, err := inserter.MessageInsert(t.Context(), w.event(named)); err != nil {
		t.Fatal(err)
	}
	if _, err := inserter.MessageInsert(t.Context(), w.event(named)); !core.IsKind(err, core.KindConflict) {
		t.Errorf("the second: %v", err)
	}
	other := w.addApplication(testOrg, "other")
	_, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.EventID, m.AppRef = &id, string(other.ID) }))
	if err != nil {
		t.Errorf("in another application: %v", err)
	}
}

func TestIdempotencyKeyAnswersWithTheFirstMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	inserter := NewMessageInserter(w.Store, nil)
	key := bytes.Repeat([]byte{7}, 32)
	id := "evt-1"
	keyed := func(m *core.NewMessage) { m.KeyHash, m.EventID = key, &id }
	first, err := inserter.MessageInsert(t.Context(), w.event(keyed))
	if err != nil {
		t.Fatal(err)
	}
	again, err := inserter.MessageInsert(t.Context(), w.event(keyed))
	if err != nil || again.ID != first.ID {
		t.Errorf("again: %s, %v; want %s", again.ID, err, first.ID)
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("%d deliveries", n)
	}
	w.exec("UPDATE message_key SET created_at = created_at - interval '12 hours'")
	later, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.KeyHash = key }))
	if err != nil || later.ID == first.ID {
		t.Errorf("12 hours later: %s, %v; want another message", later.ID, err)
	}
}

func TestConcurrentTwinsGetOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	// Two inserters act like two processes: their statements run at the same time.
	inserters := []*MessageInserter{NewMessageInserter(w.Store, nil), NewMessageInserter(w.Store, nil)}
	key := bytes.Repeat([]byte{7}, 32)
	ids := make([]core.MessageID, 40)
	var callers sync.WaitGroup
	for n := range ids {
		callers.Go(func() {
			m, err := inserters[n%2].MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.KeyHash = key }))
			if err != nil {
				t.Error(err)
			}
			ids[n] = m.ID
		})
	}
	callers.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("answers %s and %s", ids[0], id)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM message"); n != 1 {
		t.Errorf("%d messages were stored", n)
	}
}

func TestABadMessageLeavesItsNeighboursAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inserter := NewMessageInserter(w.Store, nil)
	nul := "{\"a\": \"\x00\"}" // the use case rejects such a payload; Postgres cannot store it
	messages := []core.NewMessage{
		w.event(nil), w.event(nil), w.event(func(m *core.NewMessage) { m.Payload = &nul }), w.event(nil), w.event(nil),
	}
	for n, o := range inserter.insertMany(t.Context(), messages) {
		if bad := n == 2; (o.err != nil) != bad || o.out.stored == bad {
			t.Errorf("message %d: stored %v, error %v", n, o.out.stored, o.err)
		}
	}
}

func TestDeliveriesAreBornLeasedAsFarAsThereIsRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	busy := w.addEndpoint(nil)
	free := w.addEndpoint(nil)
	until := now().Add(time.Minute)
	d := &takes{room: core.Room{Total: 3, PerEndpoint: 2, Full: []core.EndpointID{busy.ID}, LeasedUntil: until}}
	inserter := NewMessageInserter(w.Store, d)
	messages := []core.NewMessage{w.event(nil), w.event(nil), w.event(nil), w.event(nil)}
	inserter.insertMany(t.Context(), messages)

	if len(d.taken) != 1 && len(d.taken) != 2 {
		t.Fatalf("%d deliveries were handed over", len(d.taken))
	}
	for _, got := range d.taken {
		if got.EndpointID != free.ID || got.AppID != w.app.ID || got.Payload != `{"a": 1}` || got.URL != free.URL ||
			got.Secrets[0].Text() != free.Secret.Text() || got.Headers["X-Team"] != "billing" || got.Lease != 1 {
			t.Errorf("handed over: %+v", got)
		}
	}
	if d.freed != 3 {
		t.Errorf("%d of the room was given back, want 3", d.freed)
	}
	leased := value[int](w, "SELECT count(*) FROM delivery WHERE lease = 1 AND due_at = $1", until)
	due := value[int](w, "SELECT count(*) FROM delivery WHERE lease = 0 AND due_at <= now()")
	if leased != len(d.taken) || leased+due != 8 {
		t.Errorf("%d are leased and %d are due, after %d were handed over", leased, due, len(d.taken))
	}
}

func TestRoomIsGivenBackWhenTheStatementFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := &takes{room: room()}
	w.exec("DROP TABLE delivery CASCADE")
	if _, err := NewMessageInserter(w.Store, d).MessageInsert(t.Context(), w.event(nil)); err == nil {
		t.Fatal("stored without a queue")
	}
	if d.freed != d.room.Total || len(d.taken) != 0 {
		t.Errorf("%d of the room was given back, %d deliveries handed over", d.freed, len(d.taken))
	}
}

func TestAMessageWaitsForItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	d := &takes{room: room()}
	at := now().Add(time.Hour)
	m, err := NewMessageInserter(w.Store, d).MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.DeliverAt = &at }))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.taken) != 0 || len(w.claim(room())) != 0 {
		t.Errorf("sent an hour early: %+v", d.taken)
	}
	if stored, err := w.MessageGet(t.Context(), w.app.ID, string(m.ID)); err != nil || stored.DeliverAt == nil || !stored.DeliverAt.Equal(at) {
		t.Errorf("%+v, %v", stored, err)
	}
	if claimed := w.claimAt(room(), at).Deliveries; len(claimed) != 1 {
		t.Errorf("claimed %+v when its time had come", claimed)
	}
}

// A message that goes into a statement for large payloads waits for twice as long as the previous statement took.
func TestLargePayloadsAreStoredAThirdOfTheTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	inserter := NewMessageInserter(w.Store, nil)
	const took = 150 * time.Millisecond
	var asked atomic.Int64
	at := now()
	inserter.large.clock = func() time.Time { return at.Add(time.Duration(asked.Add(1)) * took) }
	large := `"` + strings.Repeat("x", core.LargePayload) + `"`
	began := time.Now()
	for range 2 {
		if _, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) { m.Payload = &large })); err != nil {
			t.Fatal(err)
		}
	}
	if elapsed := time.Since(began); elapsed < 2*took {
		t.Errorf("two large messages were stored within %s, want a rest of %s", elapsed, 2*took)
	}
}

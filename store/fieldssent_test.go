package store

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/fieldtest"
)

func TestMessageKeepsEveryField(t *testing.T) {
	t.Parallel()
	list := func(app core.AppID, bare bool) func(context.Context, core.Tx, core.Page) ([]core.Message, string, error) {
		return func(ctx context.Context, tx core.Tx, p core.Page) ([]core.Message, string, error) {
			p.Bare = bare
			return tx.MessageList(ctx, app, core.MessageFilter{}, p)
		}
	}
	for name, insert := range map[string]func(*world, core.NewMessage) error{
		"one": func(w *world, m core.NewMessage) error {
			return w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error { return tx.MessageInsert(ctx, m.Message) })
		},
		"with others": func(w *world, m core.NewMessage) error {
			_, err := NewMessageInserter(w.Store, nil).MessageInsert(t.Context(), m)
			return err
		},
		"many": func(w *world, m core.NewMessage) error {
			return NewMessageInserter(w.Store, nil).MessageInsertMany(t.Context(), []core.NewMessage{m})[0].Err
		},
		"in a transaction": func(w *world, m core.NewMessage) error {
			return w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
				_, err := tx.MessageInsertMany(ctx, []core.NewMessage{m}, now())
				return err
			})
		},
	} {
		w := newWorld(t)
		m := fieldtest.Fill[core.NewMessage](filler())
		m.AppID, m.OrgID, m.AppRef, m.KeyHash = w.app.ID, testOrg, string(w.app.ID), make([]byte, 32)
		m.ExpiresAt = now().Add(time.Hour)
		if err := insert(w, m); err != nil {
			t.Fatal(name, err)
		}
		ref := *m.EventID
		if name == "one" {
			ref = string(m.ID) // the examples have no event ids to be found by
		}
		bare := fieldtest.Left{"Payload": "not asked for"}
		keeps(w, name, m.Message, nil,
			way[core.Message]{name: "get", read: func(ctx context.Context, tx core.Tx) (core.Message, error) {
				return tx.MessageGet(ctx, m.AppID, string(m.ID))
			}},
			way[core.Message]{name: "get by event id", read: func(ctx context.Context, tx core.Tx) (core.Message, error) {
				return tx.MessageGet(ctx, m.AppID, ref)
			}},
			way[core.Message]{name: "get without payload", left: bare, read: func(ctx context.Context, tx core.Tx) (core.Message, error) {
				return tx.MessageGetBare(ctx, m.AppID, ref)
			}},
			way[core.Message]{name: "get many", read: func(ctx context.Context, tx core.Tx) (core.Message, error) {
				found, _, err := tx.MessageGetMany(ctx, m.AppID, []core.MessageID{m.ID}, false)
				return found[0], err
			}},
			way[core.Message]{name: "list", read: only(list(m.AppID, false), false)},
			way[core.Message]{name: "list backwards", read: only(list(m.AppID, false), true)},
			way[core.Message]{name: "list without payloads", left: bare, read: only(list(m.AppID, true), true)},
		)
	}
}

func TestAttemptKeepsEveryField(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]core.AttemptStatus{"failed": core.StatusFail, "succeeded": core.StatusSuccess} {
		w := newWorld(t)
		e := w.addEndpoint(nil)
		w.send(1)
		a := fieldtest.Fill[core.Attempt](filler())
		d := w.claim(room())[0]
		a.AppID, a.EndpointID, a.MessageID, a.Status, a.CreatedAt = w.app.ID, e.ID, d.MessageID, status, now()
		left := fieldtest.Left{}
		if status == 0 {
			left["Status"] = "success is 0"
		}
		w.record(core.Result{Attempt: a, Lease: d.Lease, Attempts: 1})
		byEndpoint := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.Attempt, string, error) {
			return tx.AttemptListByEndpoint(ctx, a.AppID, a.EndpointID, core.AttemptFilter{}, p)
		}
		byMessage := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.Attempt, string, error) {
			return tx.AttemptListByMessage(ctx, a.AppID, a.MessageID, core.AttemptFilter{}, p)
		}
		keeps(w, name, a, left,
			way[core.Attempt]{name: "get", read: func(ctx context.Context, tx core.Tx) (core.Attempt, error) {
				return tx.AttemptGet(ctx, a.AppID, a.MessageID, a.ID)
			}},
			way[core.Attempt]{name: "list by endpoint", read: only(byEndpoint, false)},
			way[core.Attempt]{name: "list by endpoint backwards", read: only(byEndpoint, true)},
			way[core.Attempt]{name: "list by message", read: only(byMessage, false)},
			way[core.Attempt]{name: "list by message backwards", read: only(byMessage, true)},
		)
	}
}

// A delivery is the same, whichever way a worker gets it.
func TestDeliveryKeepsEveryField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := filler()
	e := fieldtest.Fill[core.Endpoint](f)
	e.AppID, e.Disabled, e.FIFO, e.EventTypes, e.Channels, e.ThrottleRate = w.app.ID, false, false, nil, nil, nil
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointInsert(ctx, e) })
	w.exec("UPDATE endpoint SET failing_since = now()")
	store := func(dispatcher core.Dispatcher) core.NewMessage {
		m := fieldtest.Fill[core.NewMessage](f)
		m.AppID, m.OrgID, m.AppRef, m.KeyHash = w.app.ID, testOrg, string(w.app.ID), nil
		m.CreatedAt, m.DeliverAt, m.ExpiresAt = now(), nil, now().Add(time.Hour)
		if _, err := NewMessageInserter(w.Store, dispatcher).MessageInsert(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	want := func(m core.NewMessage, d core.Delivery) core.Delivery {
		resume := now().Add(time.Hour)
		return core.Delivery{
			AppID: w.app.ID, MessageID: m.ID, EndpointID: e.ID, Lease: d.Lease, LeasedUntil: d.LeasedUntil, Attempts: 3,
			Subject: "subject", Ordered: true, Failing: true, Manual: true, ResumeAt: &resume,
			URL: e.URL, Secrets: append([]core.Secret{e.Secret}, e.OldSecrets...), Headers: e.Headers, ContentType: m.ContentType,
			Payload: *m.Payload, PayloadBytes: len(*m.Payload), TraceParent: m.TraceParent,
		}
	}
	one := func(deliveries []core.Delivery) core.Delivery {
		t.Helper()
		if len(deliveries) != 1 {
			t.Fatalf("%d deliveries, want 1", len(deliveries))
		}
		w.exec("DELETE FROM delivery")
		return deliveries[0]
	}
	const fresh, queued = "none that was stored just now", "such ones wait in queues of their own"

	d := &takes{room: room()}
	m := store(d)
	got := one(d.taken)
	fieldtest.Same(t, "born leased", got, want(m, got), fieldtest.Left{
		"Attempts": fresh, "Subject": fresh, "Ordered": queued, "Manual": queued, "ResumeAt": queued,
	})

	m = store(nil)
	w.exec("UPDATE delivery SET attempts = 3, subject = 'subject', place = 1")
	taken, err := w.queue().DeliveryTake(t.Context(), room(), now())
	if err != nil {
		t.Fatal(err)
	}
	got = one(taken.Deliveries)
	fieldtest.Same(t, "taken", got, want(m, got), fieldtest.Left{"Ordered": queued, "Manual": queued, "ResumeAt": queued})

	m = store(nil)
	w.exec(`UPDATE delivery SET attempts = 3, subject = 'subject', place = 1, state = 'waiting', queue = 2, seq = 1,
		manual = true, resume_at = now() + '1 hour'`)
	got = one(w.claim(room()))
	expected := want(m, got)
	expected.ResumeAt = got.ResumeAt // Postgres's clock
	fieldtest.Same(t, "claimed", got, expected, nil)
}

func TestOperationalEventKeepsEveryField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := fieldtest.Fill[core.OperationalEvent](filler())
	e.OrgID, e.Type = testOrg, "endpoint.disabled"
	w.addWatcher(testOrg, e.Type)
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.OperationalEventInsert(ctx, e) })
	keeps(w, "insert", e, fieldtest.Left{"Place": "the database's to give"},
		way[core.OperationalEvent]{name: "take", read: func(ctx context.Context, tx core.Tx) (core.OperationalEvent, error) {
			events, err := tx.OperationalEventTakeMany(ctx, 1)
			return events[0], err
		}})
}

func TestOutboxMessageKeepsEveryField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := fieldtest.Fill[core.OutboxMessage](fieldtest.New(now(), func(int) core.OrgID { return "org_fields" }, func(int) error { return nil }))
	want.Payload = `{"a": 1}`
	w.exec(`INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		want.OrgID, want.Application, want.EventType, want.Payload, want.EventID, want.Channels, want.Tags, want.TraceParent)
	const given, unread = "the database's to give", "it can be read"
	found, _, err := w.OutboxList(t.Context(), core.OutboxPlace{}, 10, math.MaxInt64)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	fieldtest.Same(t, "list", found[0], want, fieldtest.Left{"OutboxKey.ID": given, "OutboxKey.TxID": given, "Err": unread})

	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.OutboxDeadLetterMany(ctx, []core.OutboxLetter{{ID: found[0].ID, Reason: "no"}}, now())
	})
	var dead core.OutboxMessage
	err = w.pool.QueryRow(t.Context(), `SELECT id, org_id, application, event_type, payload, event_id, channels, tags, traceparent
		FROM outbox_dead_letter WHERE reason = 'no'`).
		Scan(&dead.ID, &dead.OrgID, &dead.Application, &dead.EventType, &dead.Payload, &dead.EventID, &dead.Channels, &dead.Tags, &dead.TraceParent)
	if err != nil {
		t.Fatal(err)
	}
	fieldtest.Same(t, "dead letter", dead, want, fieldtest.Left{"OutboxKey.ID": given, "OutboxKey.TxID": "that of a row that is gone", "Err": unread})
}

func TestAnswerKeepsEveryField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := fieldtest.Fill[core.StoredAnswer](filler())
	want.Status = 201
	key := core.IdempotencyKey{OrgID: testOrg}
	for range 2 {
		got, err := w.Once(t.Context(), key, now(), func(context.Context, core.Store) (core.StoredAnswer, error) { return want, nil })
		if err != nil {
			t.Fatal(err)
		}
		left := fieldtest.Left{}
		if got.Secret == nil {
			left["Secret"] = "answers that are kept hold no secrets"
		}
		fieldtest.Same(t, "answer", got, want, left)
	}
}

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/fieldtest"
)

// filler fills entities with values that the schema accepts.
func filler() *fieldtest.Filler {
	at := now()
	return fieldtest.New(at,
		func(int) core.OrgID { return "org_fields" },
		func(int) core.AppID { return core.NewAppID(at) },
		func(int) core.EndpointID { return core.NewEndpointID(at) },
		func(int) core.MessageID { return core.NewMessageID(at) },
		func(int) core.AttemptID { return core.NewAttemptID(at) },
		func(int) core.TaskID { return core.NewTaskID(at) },
		func(int) core.Secret { return core.NewSecret() },
		func(int) core.TaskKind { return core.TaskBulkReplay },
		func(int) core.TaskStatus { return core.TaskRunning },
		func(int) core.AttemptStatus { return core.StatusFail },
		func(int) core.Trigger { return core.TriggerManual },
		func(int) core.DisabledReason { return core.DisabledGone },
		func(n int) json.RawMessage { return fmt.Appendf(nil, `{"%d": {}}`, n) },
	)
}

// way is one of the ways to read an entity.
type way[E any] struct {
	name string
	read func(context.Context, core.Tx) (E, error)
	left fieldtest.Left
}

// only reads a list that contains just that entity.
func only[E any](list func(context.Context, core.Tx, core.Page) ([]E, string, error), descending bool) func(context.Context, core.Tx) (E, error) {
	return func(ctx context.Context, tx core.Tx) (E, error) {
		found, _, err := list(ctx, tx, core.Page{Before: afterAll, Limit: 10, Descending: descending})
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("the list has %d items, want 1", len(found))
		}
		if err != nil {
			return *new(E), err
		}
		return found[0], nil
	}
}

// keeps checks that an entity is read as it was written, except for the fields that are left out.
func keeps[E any](w *world, written string, want E, left fieldtest.Left, ways ...way[E]) {
	w.t.Helper()
	for _, way := range ways {
		var got E
		err := w.InTx(w.t.Context(), func(ctx context.Context, tx core.Tx) (err error) {
			got, err = way.read(ctx, tx)
			return err
		})
		if err != nil {
			w.t.Errorf("%s, %s: %v", written, way.name, err)
			continue
		}
		all := fieldtest.Left{}
		for _, some := range []fieldtest.Left{left, way.left} {
			maps.Copy(all, some)
		}
		fieldtest.Same(w.t, written+", "+way.name, got, want, all)
	}
}

func TestApplicationKeepsEveryField(t *testing.T) {
	t.Parallel()
	w, f := newWorld(t), filler()
	ways := func(app core.Application) []way[core.Application] {
		list := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.Application, string, error) {
			return tx.ApplicationList(ctx, app.OrgID, p)
		}
		return []way[core.Application]{
			{name: "get", read: func(ctx context.Context, tx core.Tx) (core.Application, error) {
				return tx.ApplicationGet(ctx, app.OrgID, *app.UID)
			}},
			{name: "lock", read: func(ctx context.Context, tx core.Tx) (core.Application, error) {
				return tx.ApplicationLock(ctx, app.OrgID, string(app.ID))
			}},
			{name: "lock for delete", read: func(ctx context.Context, tx core.Tx) (core.Application, error) {
				return tx.ApplicationLockForDelete(ctx, app.OrgID, string(app.ID))
			}},
			{name: "list", read: only(list, false)},
			{name: "list backwards", read: only(list, true)},
		}
	}
	app := fieldtest.Fill[core.Application](f)
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, app) })
	keeps(w, "insert", app, nil, ways(app)...)

	change := fieldtest.Fill[core.Application](f)
	change.ID, change.CreatedAt = app.ID, app.CreatedAt
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.ApplicationUpdate(ctx, change) })
	keeps(w, "update", change, nil, ways(change)...)
}

func TestEventTypeKeepsEveryField(t *testing.T) {
	t.Parallel()
	w, f := newWorld(t), filler()
	ways := func(et core.EventType) []way[core.EventType] {
		list := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.EventType, string, error) {
			return tx.EventTypeList(ctx, et.OrgID, core.EventTypeFilter{Archived: true, AllFlags: true}, p)
		}
		return []way[core.EventType]{
			{name: "get", read: func(ctx context.Context, tx core.Tx) (core.EventType, error) {
				return tx.EventTypeGet(ctx, et.OrgID, et.Name)
			}},
			{name: "lock", read: func(ctx context.Context, tx core.Tx) (core.EventType, error) {
				return tx.EventTypeLock(ctx, et.OrgID, et.Name)
			}},
			{name: "list", read: only(list, false)},
			{name: "list backwards", read: only(list, true)},
		}
	}
	f.False = true
	et := fieldtest.Fill[core.EventType](f)
	f.False = false
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EventTypeInsert(ctx, et) })
	isFalse := fieldtest.Left{"Archived": "false, to be changed", "Deprecated": "false, to be changed"}
	keeps(w, "insert", et, isFalse, ways(et)...)

	change := func(write func(context.Context, core.Tx, core.EventType) error) core.EventType {
		change := fieldtest.Fill[core.EventType](f)
		change.Name, change.CreatedAt = et.Name, et.CreatedAt
		w.in(func(ctx context.Context, tx core.Tx) error { return write(ctx, tx, change) })
		return change
	}
	updated := change(func(ctx context.Context, tx core.Tx, et core.EventType) error { return tx.EventTypeUpdate(ctx, et) })
	keeps(w, "update", updated, nil, ways(updated)...)
	imported := change(func(ctx context.Context, tx core.Tx, et core.EventType) error {
		_, err := tx.EventTypeImport(ctx, et)
		return err
	})
	keeps(w, "import over another", imported, nil, ways(imported)...)

	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EventTypeDelete(ctx, et.OrgID, et.Name) })
	imported = change(func(ctx context.Context, tx core.Tx, et core.EventType) error {
		_, err := tx.EventTypeImport(ctx, et)
		return err
	})
	keeps(w, "import", imported, nil, ways(imported)...)

	w.exec("UPDATE event_type SET archived = false")
	keeps(w, "archive others", imported, fieldtest.Left{"Schemas": "may be megabytes, and nobody asks for them", "UpdatedAt": "now"},
		way[core.EventType]{name: "what it answers", read: func(ctx context.Context, tx core.Tx) (core.EventType, error) {
			archived, err := tx.EventTypeArchiveOthers(ctx, et.OrgID, []string{}, 1, now())
			return archived[0], err
		}})
}

func TestEndpointKeepsEveryField(t *testing.T) {
	t.Parallel()
	w, f := newWorld(t), filler()
	list := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.Endpoint, string, error) {
		return tx.EndpointList(ctx, w.app.ID, p)
	}
	fill := func() core.Endpoint {
		e := fieldtest.Fill[core.Endpoint](f)
		e.AppID = w.app.ID
		return e
	}
	e := fill()
	ways := []way[core.Endpoint]{
		{name: "get", read: func(ctx context.Context, tx core.Tx) (core.Endpoint, error) {
			return tx.EndpointGet(ctx, e.AppID, string(e.ID))
		}},
		{name: "lock", read: func(ctx context.Context, tx core.Tx) (core.Endpoint, error) {
			return tx.EndpointLock(ctx, e.AppID, string(e.ID))
		}},
		{name: "list", read: only(list, false)},
		{name: "list backwards", read: only(list, true)},
	}
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointInsert(ctx, e) })
	const healthy = "nothing was sent to a new endpoint"
	keeps(w, "insert", e, fieldtest.Left{
		"Health.FailingSince": healthy, "Health.Failures": healthy, "Health.PausedUntil": healthy, "Health.DisabledReason": healthy,
	}, ways...)

	w.exec("UPDATE endpoint SET disabled = false, fifo = false, paused_at = now(), paused_until = now()")
	change := fill()
	change.ID, change.CreatedAt = e.ID, e.CreatedAt
	change.OldSecrets, change.OldSecretsExpireAt = e.OldSecrets, e.OldSecretsExpireAt
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointUpdate(ctx, change) })
	keeps(w, "update", change, nil, ways...)

	rotated := fill()
	change.Secret, change.OldSecrets, change.OldSecretsExpireAt = rotated.Secret, rotated.OldSecrets, rotated.OldSecretsExpireAt
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointUpdateSecret(ctx, change) })
	keeps(w, "rotate", change, nil, ways...)

	change.Headers, change.UpdatedAt = rotated.Headers, rotated.UpdatedAt
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointHeadersUpdate(ctx, change) })
	keeps(w, "headers", change, nil, ways...)
	destinationKeeps(w, change)
}

// destinationKeeps checks the endpoint's fields in a list of a message's destinations.
func destinationKeeps(w *world, e core.Endpoint) {
	w.t.Helper()
	m := w.event(nil)
	w.in(func(ctx context.Context, tx core.Tx) error {
		m.AppID = w.app.ID
		if err := tx.MessageInsert(ctx, m.Message); err != nil {
			return err
		}
		return tx.DeliveryInsert(ctx, w.app.ID, m.ID, e.ID, now())
	})
	const secret, unanswered = "a list must never show it", "no part of the answer"
	destinations := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.Endpoint, string, error) {
		found, ended, err := tx.DestinationList(ctx, w.app.ID, m.ID, core.AttemptIDAt(m.CreatedAt), p)
		var endpoints []core.Endpoint
		for _, d := range found {
			endpoints = append(endpoints, d.Endpoint)
		}
		return endpoints, ended, err
	}
	keeps(w, "destinations", e, fieldtest.Left{
		"Secret": secret, "Headers": secret, "OldSecrets": secret, "OldSecretsExpireAt": secret, "FIFO": unanswered,
		"Health.FailingSince": unanswered, "Health.Failures": unanswered, "Health.PausedUntil": unanswered, "Health.DisabledReason": unanswered,
	}, way[core.Endpoint]{name: "list", read: only(destinations, false)}, way[core.Endpoint]{name: "list backwards", read: only(destinations, true)})
}

func TestBackgroundTaskKeepsEveryField(t *testing.T) {
	t.Parallel()
	w, f := newWorld(t), filler()
	task := fieldtest.Fill[core.BackgroundTask](f)
	task.NextAt = now()
	list := func(ctx context.Context, tx core.Tx, p core.Page) ([]core.BackgroundTask, string, error) {
		return tx.BackgroundTaskList(ctx, task.OrgID, core.BackgroundTaskFilter{}, p)
	}
	ways := []way[core.BackgroundTask]{
		{name: "get", read: func(ctx context.Context, tx core.Tx) (core.BackgroundTask, error) {
			return tx.BackgroundTaskGet(ctx, task.OrgID, task.ID)
		}},
		{name: "claim", read: func(ctx context.Context, tx core.Tx) (core.BackgroundTask, error) {
			return tx.BackgroundTaskClaim(ctx, task.Place(), "", now())
		}},
		{name: "list", read: only(list, false)},
		{name: "list backwards", read: only(list, true)},
	}
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.BackgroundTaskInsert(ctx, task) })
	keeps(w, "insert", task, nil, ways...)

	change := fieldtest.Fill[core.BackgroundTask](f)
	change.ID, change.AppID, change.EndpointID, change.Parameters = task.ID, task.AppID, task.EndpointID, task.Parameters
	change.CreatedAt, change.NextAt = task.CreatedAt, now()
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.BackgroundTaskUpdate(ctx, change) })
	keeps(w, "update", change, nil, ways...)

	later := fieldtest.Fill[core.BackgroundTask](f)
	change.Failures, change.Error, change.UpdatedAt = later.Failures, later.Error, later.UpdatedAt
	w.in(func(ctx context.Context, tx core.Tx) error {
		if postponed, err := tx.BackgroundTaskPostpone(ctx, change); err != nil || !postponed {
			return fmt.Errorf("postponed %t: %w", postponed, err)
		}
		return nil
	})
	keeps(w, "postpone", change, nil, ways...)
}

func TestTokenRevocationKeepsEveryField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type row struct {
		OrgID        core.OrgID
		AppID        core.AppID
		TokenHash    []byte
		SessionIDs   []string
		IssuedBefore time.Time
		EffectiveAt  time.Time
		ForgetAt     *time.Time
	}
	for name, left := range map[string]fieldtest.Left{
		"a token":  {"SessionIDs": "a row is about a token or about sessions"},
		"sessions": {"TokenHash": "a row is about a token or about sessions"},
	} {
		want := fieldtest.Fill[core.TokenRevocation](filler())
		if left["TokenHash"] != "" {
			want.TokenHash = nil
		} else {
			want.SessionIDs = nil
		}
		w.in(func(ctx context.Context, tx core.Tx) error { return tx.TokenRevocationInsertMany(ctx, want) })
		var r row
		err := w.pool.QueryRow(t.Context(), `SELECT org_id, app_id, token_hash, array_agg(session_id ORDER BY id) FILTER (WHERE session_id IS NOT NULL),
			issued_before, effective_at, forget_at FROM token_revocation WHERE app_id = $1 GROUP BY 1, 2, 3, 5, 6, 7`, want.AppID).
			Scan(&r.OrgID, &r.AppID, &r.TokenHash, &r.SessionIDs, &r.IssuedBefore, &r.EffectiveAt, &r.ForgetAt)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(r.SessionIDs)
		fieldtest.Same(t, name, core.TokenRevocation(r), want, left)
	}
}

package store

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

var lookupMessages = flag.Int("lookups", 14_000, "how many messages TestLookUpsReadWhatTheyReturn makes")

const (
	lookupWeeks     = 7
	lookupEndpoints = 2_000
	lookupBatch     = 100 // of a task's step, and of what is looked up at once
)

// lookupWorld is one large application beside others, over some weeks.
type lookupWorld struct {
	*world
	main     core.Endpoint // most messages were attempted at it, and much is owed to it
	other    core.Endpoint
	quiet    core.EndpointID // was sent nothing
	ids      []core.MessageID
	wide     core.MessageID // was sent to all endpoints, and is owed to them again
	attempts []core.AttemptID
	small    core.AppID
	refs     []string
}

func newLookupWorld(t *testing.T) *lookupWorld {
	t.Helper()
	w := &lookupWorld{world: newWorld(t)}
	w.main, w.other = w.addEndpoint(func(e *core.Endpoint) { uid := "main"; e.UID = &uid }), w.addEndpoint(nil)
	w.exec("ALTER TABLE delivery SET (autovacuum_enabled = off)")
	w.exec(`
		INSERT INTO application (org_id, id, uid, name, metadata, created_at, updated_at)
		SELECT org_id, left(id, 21) || lpad(n::text, 10, '0'), 'uid' || n, 'n', '{}', now(), now()
		FROM application, generate_series(1, 3000) AS n`)
	w.exec(`
		INSERT INTO endpoint (app_id, id, uid, url, description, version, disabled, event_types, secret, headers, metadata, created_at, updated_at)
		SELECT app.id, left(e.id, 20) || lpad((app.k * 10000 + n)::text, 10, '0'), CASE WHEN n < 3 THEN 'uid' || n END, 'http://example.test/', '', 1, false,
			CASE WHEN n % 2 = 0 THEN ARRAY['type.' || n % 50] END, e.secret, '{}', '{}', now(), now()
		FROM endpoint AS e
		CROSS JOIN (SELECT id, row_number() OVER (ORDER BY id) AS k FROM application) AS app
		CROSS JOIN generate_series(1, $1::int) AS n
		WHERE e.id = $2 AND (n <= 2 OR app.id = $3)`, lookupEndpoints, w.main.ID, w.app.ID)
	w.small = value[core.AppID](w.world, "SELECT id FROM application WHERE id <> $1 ORDER BY id OFFSET 1000 LIMIT 1", w.app.ID)
	w.quiet = value[core.EndpointID](w.world, "SELECT id FROM endpoint WHERE app_id = $1 ORDER BY id OFFSET 1000 LIMIT 1", w.app.ID)
	const days = lookupWeeks * 7
	for day := range days {
		at := now().AddDate(0, 0, day-days)
		for _, p := range core.PartitionsAround(at) {
			if _, err := w.PartitionCreate(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		w.fill(at, *lookupMessages/days)
	}
	w.ids = value[[]core.MessageID](w.world, "SELECT array_agg(id ORDER BY id) FROM message WHERE app_id = $1", w.app.ID)
	w.attempts = value[[]core.AttemptID](w.world, "SELECT array_agg(id ORDER BY id) FROM attempt WHERE app_id = $1 AND endpoint_id = $2", w.app.ID, w.main.ID)
	w.wide = w.ids[len(w.ids)/2+lookupBatch/2]
	w.exec(`
		INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at)
		SELECT app_id, left($3, 23) || lpad((5000000 + row_number() OVER ())::text, 10, '0'), $2, id, '', 2, 500, '', 1, 0, now()
		FROM endpoint WHERE app_id = $1 AND id <> $4`, w.app.ID, w.wide, w.attempts[len(w.attempts)/2], w.main.ID)
	w.exec("INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease) SELECT app_id, $2, id, now() - interval '1 hour', 0 FROM endpoint WHERE app_id = $1", w.app.ID, w.wide)
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts, queue)
		SELECT app_id, id, $3, now() - interval '1 hour', 1, 1, 1 FROM message WHERE app_id = $1 AND id > $2`,
		w.app.ID, w.ids[len(w.ids)/2+2*lookupBatch], w.main.ID)
	w.remember()
	w.analyze()
	return w
}

// fill makes n messages of an instant, one in ten of them of other applications. Each is attempted at the main
// endpoint, half of them twice: the first time it fails, and for one in five for good. One in three is attempted
// at another endpoint as well.
func (w *lookupWorld) fill(at time.Time, n int) {
	w.t.Helper()
	w.exec(`
		INSERT INTO message (app_id, id, event_type, channels, payload, expires_at, created_at)
		SELECT CASE WHEN n % 10 = 0 THEN app.id ELSE $1 END, left($2, 21) || lpad(n::text, 10, '0'), 'type.' || n % 50, NULL, '{}', now() + interval '90 days', $3
		FROM generate_series(1, $4::int) AS n
		JOIN (SELECT id, row_number() OVER (ORDER BY id) AS k FROM application) AS app ON app.k = 1 + n % 3000`,
		w.app.ID, core.MessageIDAt(at), at, n)
	w.exec(`
		INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response,
			duration_ms, trigger, created_at)
		SELECT m.app_id, left($2, 23) || lpad((m.n * 10 + k)::text, 10, '0'), m.id, CASE WHEN k = 3 THEN $5 ELSE $4 END,
			'https://hooks.example/', CASE WHEN k = 1 OR m.n % 5 = 0 THEN 2 ELSE 0 END, CASE WHEN k = 1 OR m.n % 5 = 0 THEN 500 ELSE 200 END,
			'', 10, 0, $6
		FROM (SELECT app_id, id, row_number() OVER (ORDER BY id) AS n FROM message WHERE id >= left($3, 21) AND app_id = $1) AS m
		CROSS JOIN generate_series(1, 3) AS k
		WHERE k = 2 OR k = 1 AND m.n % 2 = 0 OR k = 3 AND m.n % 3 = 0`,
		w.app.ID, core.AttemptIDAt(at), core.MessageIDAt(at), w.main.ID, w.other.ID, at)
}

// remember makes names of messages, keys, event types, tasks and revocations.
func (w *lookupWorld) remember() {
	w.t.Helper()
	w.exec("INSERT INTO message_event_id (app_id, event_id, message_id) SELECT app_id, 'event' || row_number() OVER (ORDER BY id), id FROM message WHERE app_id = $1", w.app.ID)
	for i := 1; i <= lookupBatch; i++ {
		w.refs = append(w.refs, fmt.Sprintf("event%d", i*3))
	}
	w.exec("INSERT INTO message_key (app_id, key_hash, message_id, created_at) SELECT app_id, sha256(id::bytea), id, now() FROM message")
	w.exec("INSERT INTO idempotency_key (org_id, key_hash, status, body, created_at) SELECT $1, sha256(id::bytea), 200, '', now() FROM message", testOrg)
	w.exec(`INSERT INTO event_type (org_id, name, description, archived, deprecated, created_at, updated_at)
		SELECT $1, 'type.' || n, '', false, false, now(), now() FROM generate_series(1, 5000) AS n`, testOrg)
	w.exec(`INSERT INTO token_revocation (org_id, app_id, token_hash, session_id, issued_before, effective_at)
		SELECT $1, $2, CASE WHEN n % 2 = 0 THEN sha256(n::text::bytea) END, CASE WHEN n % 2 = 1 THEN 'session' || n END, now(), now()
		FROM generate_series(1, 5000) AS n`, testOrg, w.app.ID)
	w.exec(`INSERT INTO background_task (org_id, id, task, app_id, parameters, status, cursor, processed, data, failures, created_at, updated_at, next_at)
		SELECT $1, 'qtask_' || lpad(n::text, 27, '0'), 'endpoint.recover', $2, '{}', CASE WHEN n % 10 = 0 THEN 'running' ELSE 'finished' END, '', 0, '{}', 0,
			now() - interval '1 year', now() - interval '1 day', now() - n * interval '1 second'
		FROM generate_series(1, 5000) AS n`, testOrg, w.app.ID)
	w.exec("INSERT INTO operational_event (org_id, type, payload) SELECT $1, 'a', '{}' FROM generate_series(1, 5000)", testOrg)
}

// analyze leaves statistics as autovacuum does: it never looks at the parents of partitions.
func (w *lookupWorld) analyze() {
	w.t.Helper()
	for _, table := range value[[]string](w.world, `SELECT array_agg(relname::text) FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`) {
		w.exec("VACUUM ANALYZE " + table)
	}
}

// lookup is a statement, how many rows it may read, and how many pages.
type lookup struct {
	name           string
	run            func(ctx context.Context, t tx) (int, error)
	rows           int // that it returns
	mostRows, most int
}

func got[T any](_ T, err error) (int, error) { return 1, err }

func gotMany[T any](list []T, err error) (int, error) { return len(list), err }

func done(err error) (int, error) { return 1, err }

// The pages of one probe: an index of three levels and the row; in each partition where all are looked at, and
// the default partition.
const (
	probe  = 5
	probes = probe * (lookupWeeks + 5)
)

// TestLookUpsReadWhatTheyReturn keeps look-ups and steps of tasks from reading more than they return by more than
// a constant, with every kind of plan, and whatever Postgres takes the queue and the parents of partitions for.
func TestLookUpsReadWhatTheyReturn(t *testing.T) {
	t.Parallel()
	w := newLookupWorld(t)
	for _, stats := range []string{"", "1, 0", "33, 1", "1000, 50"} {
		if stats != "" {
			w.exec("UPDATE pg_class SET (relpages, reltuples) = (" + stats + ") WHERE oid = 'delivery'::regclass")
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan", "auto"} {
			for _, l := range slices.Concat(w.lookups(), w.messageLookups(), w.steps()) {
				w.look(t, l, mode, stats)
			}
		}
	}
}

func (w *lookupWorld) look(t *testing.T, l lookup, mode, stats string) {
	t.Helper()
	config := w.pool.Config().ConnConfig.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // EXECUTE takes no parameters
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range []string{"BEGIN", "SET enable_seqscan = off", "SET jit = off", "SET plan_cache_mode = " + mode} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	p := &prepared{DBTX: conn, auto: mode == "auto"}
	n, err := l.run(t.Context(), tx{reader{conn: p, keys: w.keys}})
	if err != nil || n != l.rows {
		t.Errorf("%s, %s, %s: %d rows, %v; want %d", l.name, mode, stats, n, err, l.rows)
	}
	var rows float64
	var pages, temp int
	var texts []string
	for _, plan := range p.plans {
		rows, pages, temp = rows+plan.Plan.rows(), pages+plan.Plan.Hit+plan.Plan.Read, temp+plan.Plan.Temp
		texts = append(texts, plan.text)
	}
	t.Logf("%-30s %-18s %-8s %8.0f rows %8d pages", l.name, mode, stats, rows, pages)
	if rows > float64(l.mostRows) || pages > l.most || temp > 0 || len(texts) == 0 {
		t.Errorf("%s, %s, statistics of the queue %q: read %.0f rows and %d pages and wrote %d, want at most %d, %d and 0",
			l.name, mode, stats, rows, pages, temp, l.mostRows, l.most)
		if testing.Verbose() {
			t.Log(texts)
		}
	}
}

func (w *lookupWorld) lookups() []lookup {
	app := w.app.ID
	type c = context.Context
	return []lookup{
		{"application by id", func(c c, t tx) (int, error) { return got(t.ApplicationGet(c, testOrg, string(app))) }, 1, 2, 2 * probe},
		{"application by uid", func(c c, t tx) (int, error) { return got(t.ApplicationGet(c, testOrg, "uid77")) }, 1, 2, 2 * probe},
		{"application locked", func(c c, t tx) (int, error) { return got(t.ApplicationLock(c, testOrg, "uid77")) }, 1, 4, 3 * probe},
		{"application locked to delete", func(c c, t tx) (int, error) { return got(t.ApplicationLockForDelete(c, testOrg, "uid77")) }, 1, 4, 3 * probe},
		{"application held", func(c c, t tx) (int, error) { return done(t.ApplicationHold(c, testOrg, app)) }, 1, 2, 2 * probe},
		{"applications resolved", func(c c, t tx) (int, error) {
			found, err := t.ApplicationResolveMany(c, testOrg, []string{string(app), "uid1", "uid2"})
			return len(found), err
		}, 3, 6, 6 * probe},
		{"event types of applications", func(c c, t tx) (int, error) {
			return gotMany(t.ApplicationEventTypesMany(c, []core.AppID{w.small}))
		}, 1, 6, 6 * probe},
		{"endpoint by id", func(c c, t tx) (int, error) { return got(t.EndpointGet(c, app, string(w.main.ID))) }, 1, 2, 2 * probe},
		{"endpoint by uid", func(c c, t tx) (int, error) { return got(t.EndpointGet(c, app, "main")) }, 1, 2, 2 * probe},
		{"endpoint locked", func(c c, t tx) (int, error) { return got(t.EndpointLock(c, app, "main")) }, 1, 4, 3 * probe},
		{"endpoint wanted", func(c c, t tx) (int, error) { return got(t.EndpointWanted(c, app, "type.2", nil)) }, 1, 2 * probe, 2 * probe},
		{"event type", func(c c, t tx) (int, error) { return got(t.EventTypeGet(c, testOrg, "type.7")) }, 1, 1, probe},
		{"event type locked", func(c c, t tx) (int, error) { return got(t.EventTypeLock(c, testOrg, "type.7")) }, 1, 2, 2 * probe},
		{"event type names", func(c c, t tx) (int, error) {
			return gotMany(t.EventTypeNames(c, testOrg, []string{"type.7", "type.8", "none"}))
		}, 2, 3, 3 * probe},
	}
}

// messageLookups are those of messages, attempts, and what is owed.
func (w *lookupWorld) messageLookups() []lookup {
	app, id, at := w.app.ID, w.ids[len(w.ids)/2], now()
	var some []core.MessageID
	for i := range lookupBatch {
		some = append(some, w.ids[i*len(w.ids)/lookupBatch])
	}
	type c = context.Context
	return []lookup{
		{"message", func(c c, t tx) (int, error) { return got(t.MessageGet(c, app, string(id))) }, 1, 1, probe},
		{"message by event id", func(c c, t tx) (int, error) { return got(t.MessageGet(c, app, "event7")) }, 1, 2, 2 * probe},
		{"messages", func(c c, t tx) (int, error) { return gotMany(t.MessageGetMany(c, app, some)) }, lookupBatch, lookupBatch, lookupBatch * probe},
		{"messages expunged", func(c c, t tx) (int, error) {
			return gotMany(t.MessageExpungeMany(c, app, append([]string{string(id)}, w.refs...)))
		}, lookupBatch + 1, 15 * lookupBatch, 10 * lookupBatch * probe},
		{"message expunged", func(c c, t tx) (int, error) { return gotMany(t.MessageExpungeMany(c, app, []string{string(id)})) }, 1, 40, 2 * probes},
		{"attempt", func(c c, t tx) (int, error) {
			message := value[core.MessageID](w.world, "SELECT message_id FROM attempt WHERE app_id = $1 AND id = $2 LIMIT 1", app, w.attempts[7])
			return got(t.AttemptGet(c, app, message, w.attempts[7]))
		}, 1, 1, probe},
		{"attempt expunged", func(c c, t tx) (int, error) {
			message := value[core.MessageID](w.world, "SELECT message_id FROM attempt WHERE app_id = $1 AND id = $2 LIMIT 1", app, w.attempts[7])
			return done(t.AttemptExpunge(c, app, message, w.attempts[7], ""))
		}, 1, 2, 10 * probe},
		{"next attempts", func(c c, t tx) (int, error) {
			list := make([]core.Latest, lookupBatch)
			for i := range list {
				list[i] = core.Latest{MessageID: w.ids[len(w.ids)-1-i], Status: core.StatusFail}
			}
			return len(list), t.nextAttempts(c, app, w.main.ID, list)
		}, lookupBatch, lookupBatch, lookupBatch * probe},
		{"due", func(c c, t tx) (int, error) {
			n, err := t.DeliveryCountDue(c, app, w.main.ID, lookupBatch, at)
			return int(n), err
		}, lookupBatch, lookupBatch, 2 * lookupBatch},
		{"token revocation", func(c c, t tx) (int, error) {
			return got(t.TokenRevocationExists(c, core.Token{Scope: core.Scope{OrgID: testOrg, AppID: app}, IssuedAt: at.Add(time.Hour), SessionID: "none"}, at))
		}, 1, 3, 3 * probe},
		{"delivery resent", func(c c, t tx) (int, error) { return done(t.DeliveryResend(c, app, w.wide, w.main.ID, at)) }, 1, 3, 10 * probe},
		{"task", func(c c, t tx) (int, error) {
			return got(t.BackgroundTaskGet(c, testOrg, "qtask_000000000000000000000000077"))
		}, 1, 1, probe},
		{"task claimed", func(c c, t tx) (int, error) { return got(t.BackgroundTaskClaim(c, at)) }, 1, 40, 40},
		{"operational events", func(c c, t tx) (int, error) { return gotMany(t.OperationalEventTakeMany(c, lookupBatch)) }, lookupBatch, 3 * lookupBatch, 3 * lookupBatch * probe},
	}
}

// steps are statements of background tasks, with a hundred messages each, from the middle of the weeks on. Around
// it is a message that was attempted at all endpoints, and is owed to all.
func (w *lookupWorld) steps() []lookup {
	app, at := w.app.ID, now()
	after := w.ids[len(w.ids)/2]
	from, err := after.Time()
	if err != nil {
		w.t.Fatal(err)
	}
	r := core.Range{
		After: string(after), Before: string(core.MessageIDAt(at)), Limit: lookupBatch, FirstAttempt: core.AttemptIDAt(from.Add(-time.Hour)),
	}
	type c = context.Context
	step := func(b core.Batch, err error) (int, error) {
		if err == nil && (b.NextAfter == "" || b.Processed < lookupBatch/8) {
			err = fmt.Errorf("%+v", b)
		}
		return 1, err
	}
	// Of each message: itself, in the page and by its id, what it is owed as, attempts, and what is written.
	// Where Postgres takes the queue for empty, all that is owed of a message is read, and one is owed to all.
	const rows, pages = 8*lookupBatch + lookupEndpoints, lookupBatch * 2 * probes
	return []lookup{
		{"recover", func(c c, t tx) (int, error) { return step(t.DeliveryRecoverMany(c, app, w.main.ID, r, at)) }, 1, rows, pages},
		{"replay missing", func(c c, t tx) (int, error) { return step(t.DeliveryReplayMissingMany(c, app, w.quiet, r, at)) }, 1, rows, pages},
		{"bulk replay", func(c c, t tx) (int, error) {
			return step(t.DeliveryReplayMany(c, app, w.main.ID, core.TaskParameters{CodeFrom: 500, CodeTo: 599}, r, at))
		}, 1, rows, pages},
		{"purge", func(c c, t tx) (int, error) { return step(t.MessagePurgeMany(c, app, r)) }, 1, rows, pages},
		// One message was attempted at all endpoints: each counts.
		{"usage", func(c c, t tx) (int, error) { return step(t.DestinationCountMany(c, app, r)) }, 1, rows, pages},
	}
}

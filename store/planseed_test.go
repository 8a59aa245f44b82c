package store

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg/pgtest"
	history "github.com/postrider/postrider/world"
)

// seedAt is the time at which the seeded database is read. It is fixed, because plans change with the bounds of the
// partitions.
var seedAt = history.FixedNow

// planHistory adds months of other tenants' data to the database of TestPlans.
var planHistory = flag.String("history", "", "small or full: TestPlans looks at a world of that size, and holds its queries to bounds only")

// bare provides databases that are migrated and have no partitions.
var bare = pgtest.Template(func(ctx context.Context, url string) error { return Migrate(ctx, Database{URL: url}) })

// seedStep is the time between two instants at which messages were sent.
const seedStep = 42 * time.Hour

const seedOrg core.OrgID = "org_plans"

// hotBatch is how many deliveries a statement of the hot path handles.
const hotBatch = 64

// seed is the amount of data of each kind.
type seed struct {
	apps     int // small applications
	wide     int // endpoints of the application that has many
	instants int // at which messages were sent
	large    int // messages per instant to the large application
	small    int // messages per instant to small ones
	waiting  int // deliveries to each of the many endpoints, not due yet
	rest     int // rows of each kind that has its own table
}

var (
	fullSeed  = seed{apps: 1000, wide: 2000, instants: 60, large: 340, small: hotBatch, waiting: 1, rest: 2000}
	emptySeed = seed{apps: hotBatch, wide: 1, instants: 1, large: fullSeed.large, small: hotBatch, waiting: 0, rest: 1}
)

// seeded is a database with a large application (number 0), one with many endpoints (1) and small ones. The
// ids are numbers, so that cases can name what is there without looking.
//
// The large one has six endpoints. All of its messages went to number 0 and arrived; every fourth went to number 1
// and failed, half of them for good; none went to the others. Endpoints 2 and 3 are owed hotBatch deliveries: due to
// number 2, leased to number 3, fresh to number 5; so are the first endpoints 0 and 1 of as many small ones.
type seeded struct {
	*Store
	catalog catalog
}

func newSeeded(t *testing.T, size seed) *seeded {
	t.Helper()
	s := &seeded{Store: openStore(t, bare.New(t), nil)}
	if size == fullSeed {
		s.addHistory(t)
	}
	s.fill(t, size)
	var err error
	if s.catalog, err = readCatalog(t.Context(), s.pool); err != nil {
		t.Fatal(err)
	}
	return s
}

// addHistory adds the history that the -history flag asks for.
func (s *seeded) addHistory(t *testing.T) {
	t.Helper()
	makers := map[string]func(uint64) history.Config{"small": history.Small, "full": history.Full}
	config, is := makers[*planHistory]
	if !is {
		return
	}
	c := config(1)
	c.Now = seedAt
	err := s.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		_, err := history.Make(t.Context(), conn.Conn(), c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *seeded) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func seedApp(n int) core.AppID { return core.AppID(fmt.Sprintf("app_%027d", n)) }

func seedEndpoint(app, n int) core.EndpointID {
	return core.EndpointID(fmt.Sprintf("ep_%017d%010d", app, n))
}

func seedUID(app int) string { return fmt.Sprintf("customer-%d", app) }

func seedType(n int) string { return fmt.Sprintf("type.%d", n) }

// seedInstant returns the nth instant, counted backwards.
func seedInstant(n int) time.Time { return seedAt.Add(-time.Duration(n+1) * seedStep) }

// seedMessage returns the id of an instant's nth message. Those to the large application have the first numbers.
func seedMessage(instant, n int) core.MessageID {
	return core.MessageID(fmt.Sprintf("%.21s%010d", core.MessageIDAt(seedInstant(instant)), n))
}

func seedAttempt(instant, n int) core.AttemptID {
	return core.AttemptID(fmt.Sprintf("%.23s%010d", core.AttemptIDAt(seedInstant(instant)), n))
}

func (s *seeded) fill(t *testing.T, size seed) {
	t.Helper()
	s.exec(t, `
		INSERT INTO application (org_id, id, uid, name, metadata, created_at, updated_at)
		SELECT $1, 'app_' || lpad(n::text, 27, '0'), 'customer-' || n, 'Customer', '{}', $2, $2
		FROM generate_series(0, $3::int + 1) AS n`, seedOrg, seedAt, size.apps)
	s.exec(t, `
		INSERT INTO endpoint (app_id, id, uid, url, description, version, disabled, event_types, channels, secret, headers, metadata,
			created_at, updated_at)
		SELECT 'app_' || lpad(app::text, 27, '0'), 'ep_' || lpad(app::text, 17, '0') || lpad(n::text, 10, '0'),
			'endpoint-' || n, 'https://hooks.example/', '', 1, false, 
			CASE WHEN app = 1 THEN ARRAY['type.' || n % 500] END, NULL, '\x00', '{}', '{}', $2, $2
		FROM generate_series(0, $1::int + 1) AS app
		CROSS JOIN LATERAL generate_series(0, CASE app WHEN 0 THEN 5 WHEN 1 THEN $3::int - 1 ELSE 1 END) AS n`,
		size.apps, seedAt, size.wide)
	for n := range size.instants {
		for _, p := range []core.Partition{core.MessagePartition(seedInstant(n)), core.AttemptPartition(seedInstant(n))} {
			if _, err := s.PartitionCreate(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		s.fillInstant(t, size, n)
	}
	s.fillQueue(t, size)
	s.fillCounts(t)
	s.fillRest(t, size)
	if err := s.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		return history.Settle(t.Context(), conn.Conn())
	}); err != nil {
		t.Fatal(err)
	}
}

// fillRest fills the tables that are unrelated to messages.
func (s *seeded) fillRest(t *testing.T, size seed) {
	t.Helper()
	s.exec(t, `
		INSERT INTO application (org_id, id, uid, name, metadata, created_at, updated_at)
		VALUES ($1, $2, $3, 'Operational webhooks', '{}', $4, $4)`, core.OperationalOrg, seedApp(size.apps+2), seedOrg, seedAt)
	s.exec(t, `
		INSERT INTO endpoint (app_id, id, url, description, version, disabled, secret, headers, metadata, created_at, updated_at)
		VALUES ($1, $2, 'https://hooks.example/', '', 1, false, '\x00', '{}', '{}', $3, $3)`, seedApp(size.apps+2), seedEndpoint(size.apps+2, 0), seedAt)
	for _, sql := range []string{
		`INSERT INTO event_type (org_id, name, description, archived, deprecated, created_at, updated_at)
			SELECT $1, 'type.' || n, '', n % 10 = 0, false, $2, $2 FROM generate_series(1, $3::int) AS n`,
		`INSERT INTO background_task (org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data, failures, created_at, updated_at, next_at)
			SELECT $1, 'qtask_' || lpad(n::text, 27, '0'), 'endpoint.recover', 'app_' || lpad((n % 3)::text, 27, '0'), 'ep_' || lpad(n::text, 27, '0'), '{}',
				CASE WHEN n % 100 = 0 THEN 'running' ELSE 'finished' END, '', 0, '{}', 0, $2, $2, $2
			FROM generate_series(1, $3::int) AS n`,
		`INSERT INTO idempotency_key (org_id, key_hash, status, body, created_at)
			SELECT $1, sha256(n::text::bytea), 200, '', $2::timestamptz - n * interval '1 minute' FROM generate_series(1, $3::int) AS n`,
		`INSERT INTO message_key (app_id, key_hash, message_id, created_at)
			SELECT 'app_' || lpad('0', 27, '0'), sha256(n::text::bytea), 'msg_' || n || $1, $2::timestamptz - n * interval '1 minute'
			FROM generate_series(1, $3::int) AS n`,
		`INSERT INTO outbox (org_id, application, event_type, payload, created_at)
			SELECT $1, 'customer-0', 'type.1', '{}', $2 FROM generate_series(1, $3::int) AS n`,
		`INSERT INTO operational_event (org_id, type, payload, created_at)
			SELECT $1, 'message.attempt.failing', '{}', $2 FROM generate_series(1, $3::int) AS n`,
		`INSERT INTO token_revocation (org_id, app_id, token_hash, session_id, issued_before, effective_at, forget_at)
			SELECT $1, 'app_' || lpad((n % 3)::text, 27, '0'), CASE WHEN n % 3 = 0 THEN sha256(n::text::bytea) END,
				CASE WHEN n % 3 = 1 THEN 'session-' || n END, $2, $2, $2::timestamptz + n * interval '1 minute'
			FROM generate_series(1, $3::int) AS n`,
	} {
		s.exec(t, sql, seedOrg, seedAt, size.rest)
	}
}

// fillInstant creates the messages of an instant and their attempts.
func (s *seeded) fillInstant(t *testing.T, size seed, n int) {
	t.Helper()
	at := seedInstant(n)
	s.exec(t, `
		INSERT INTO message (app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at)
		SELECT 'app_' || lpad((CASE WHEN n < $3::int THEN 0 ELSE 2 + (n - $3::int) % $5::int END)::text, 27, '0'),
			left($1, 21) || lpad(n::text, 10, '0'),
			CASE WHEN n % 10 = 0 THEN 'event-' || n || left($1, 21) END,
			CASE WHEN n = 7 AND $6::int % 20 = 0 THEN 'rare' ELSE 'type.' || n % 50 END, ARRAY['channel-' || n % 100], ARRAY['tag-' || n % 100],
			'{"amount": 1}', $2::timestamptz + interval '1 year', $2
		FROM generate_series(0, $3::int + $4::int - 1) AS n`,
		core.MessageIDAt(at), at, size.large, size.small, size.apps, n)
	s.exec(t, `
		INSERT INTO message_event_id (app_id, event_id, message_id)
		SELECT app_id, event_id, id FROM message WHERE event_id IS NOT NULL AND id BETWEEN $1 AND $2`, seedMessage(n, 0), seedMessage(n, 9999))
	if size.instants == 1 {
		return // nothing was attempted
	}
	s.exec(t, `
		INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at)
		SELECT message.app_id, left($1, 23) || lpad((2 * n + k)::text, 10, '0'), message.id,
			'ep_' || right(message.app_id, 17) || lpad(k::text, 10, '0'), 'https://hooks.example/', 2 * k, 200 + 300 * k, '', 10, 0, $3
		FROM message
		CROSS JOIN LATERAL CAST(right(message.id, 10) AS int) AS n
		CROSS JOIN LATERAL generate_series(0, CASE WHEN n % 4 = 0 AND n < $4::int THEN 1 ELSE 0 END) AS k
		WHERE message.id BETWEEN $2 AND $5`, core.AttemptIDAt(at), seedMessage(n, 0), at, size.large, seedMessage(n, 9999))
}

// fillCounts creates the counts of four weeks that were requested for every endpoint, and hourly for the large one.
func (s *seeded) fillCounts(t *testing.T) {
	t.Helper()
	var partitions, days, hours []string
	for _, e := range countEdges(seedAt.AddDate(0, 0, -28).Truncate(24*time.Hour), seedAt.Truncate(24*time.Hour)) {
		partitions, days = append(partitions, e.partition), append(days, string(e.until))
	}
	for n := range 24 * len(days) {
		hours = append(hours, string(core.AttemptIDAt(seedAt.AddDate(0, 0, -28).Truncate(24*time.Hour).Add(time.Duration(n)*time.Hour+time.Minute))))
	}
	s.exec(t, `
		INSERT INTO attempt_count (app_id, endpoint_id, partition_oid, until_id, succeeded, failed)
		SELECT endpoint.app_id, endpoint.id, to_regclass(kept.partition)::oid::bigint, kept.until_id, 1000 * kept.n, kept.n
		FROM endpoint
		CROSS JOIN LATERAL unnest($1::text[], $2::text[]) WITH ORDINALITY AS kept(partition, until_id, n)
		WHERE to_regclass(kept.partition) IS NOT NULL
			AND endpoint.id <> $3
			AND endpoint.app_id <> $4`,
		partitions, days, seedEndpoint(0, 4), seedApp(1))
	s.exec(t, `
		INSERT INTO attempt_count (app_id, endpoint_id, partition_oid, until_id, succeeded, failed)
		SELECT $1, $2, to_regclass(day.partition)::oid::bigint, day.hours[hour], 1000 * hour, hour
		FROM unnest($3::text[]) WITH ORDINALITY AS d(partition, n)
		CROSS JOIN LATERAL (SELECT d.partition, ($4::text[])[24 * d.n - 23 : 24 * d.n] AS hours) AS day
		CROSS JOIN generate_series(1, 24) AS hour
		WHERE to_regclass(day.partition) IS NOT NULL`, seedApp(0), seedEndpoint(0, 0), partitions, hours)
}

// fillQueue creates the owed deliveries.
func (s *seeded) fillQueue(t *testing.T, size seed) {
	t.Helper()
	owe := func(app, endpoint, messages string, n, attempts, queue int, due time.Time, state string) {
		s.exec(t, `
			INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts, queue, state)
			SELECT 'app_' || lpad((`+app+`)::text, 27, '0'), left($1, 21) || lpad((`+messages+`)::text, 10, '0'),
				'ep_' || lpad((`+app+`)::text, 17, '0') || lpad((`+endpoint+`)::text, 10, '0'), $2, 1, $3, $4, $6
			FROM generate_series(0, $5::int - 1) AS n`, core.MessageIDAt(seedInstant(0)), due, attempts, queue, n, state)
	}
	small := fmt.Sprintf("%d + n", size.large)
	owe("0", "2", "n", hotBatch, 1, 1, seedAt.Add(-time.Minute), "waiting")
	owe("0", "3", "n", hotBatch, 0, 0, seedAt.Add(time.Minute), "leased")
	owe("0", "5", "n", hotBatch, 0, 0, seedAt, "fresh")
	owe("2 + n", "0", small, hotBatch, 1, 1, seedAt.Add(-time.Minute), "waiting")
	owe("2 + n", "1", small, hotBatch, 0, 0, seedAt.Add(time.Minute), "leased")
	s.exec(t, "INSERT INTO delivery_position (id, snapshot) VALUES (1, '3:3:')")
	// These belong to messages of another application, which nobody reads.
	owe("1", fmt.Sprintf("n %% %d", size.wide), "n", size.wide*size.waiting, 1, 1, seedAt.Add(time.Hour), "waiting")
	if size.waiting > 0 {
		s.exec(t, `
			INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, subject, place, queue)
			SELECT $1, left($2, 21) || lpad(n::text, 10, '0'), $3, $4, 0, 'subject-' || n % 100, n, CASE WHEN n < 100 THEN 0 ELSE 3 END
			FROM generate_series(0, 499) AS n`, seedApp(0), core.MessageIDAt(seedInstant(1)), seedEndpoint(0, 4), seedAt.Add(time.Hour))
	}
}

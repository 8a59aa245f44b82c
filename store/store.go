// Package store implements core's ports on Postgres. It maps rows to entities, runs units of work, maps
// constraint names to errors, and stores and records the work of many callers in one statement. It is the
// only package that uses db or the driver, and it knows nothing about HTTP or how deliveries are made.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric"
	nometrics "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	notraces "go.opentelemetry.io/otel/trace/noop"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// queries are the generated queries. They hold no connection: one is passed to each call.
var queries = db.New()

// Store holds the connections to one database. Requests use it directly; ForJobs and ForSources serve other parts of
// the process.
type Store struct {
	reader
	schema    string
	pool      *pgxpool.Pool // for storing, claiming and recording
	pools     *pools
	clock     clock
	tracer    trace.Tracer
	twins     turns[core.IdempotencyKey]
	unopened  unopened
	tokens    *batcher[tokenAt, bool]
	trusted   trusted
	announcer *announcer
	batchRows func(operation string) func(rows int) // counts the rows of statements
	listening *pgx.ConnConfig                       // of the connection that listens; nil if there is no way to listen
}

// Config configures a store.
type Config struct {
	Database   Database
	Clock      func() time.Time // the host's
	SecretKeys SecretKeys
	Log        *slog.Logger
	Traces     trace.TracerProvider // traces statements; if nil, they are not traced
	Meters     metric.MeterProvider // measures statements; if nil, they are not measured
}

var _ core.Store = (*Store)(nil)

const (
	// connectionsDefault is enough for the few statements that ever run at the same time. The hot path needs one
	// connection each for storing, recording, claiming and tokens. Lists have two, other work of requests up to three,
	// and jobs up to two. pool_max_conns in the URL overrides it.
	connectionsDefault = 12

	// statementTimeout bounds every statement that has no bound of its own. Statements take milliseconds, or wait for
	// locks that others hold equally briefly. It is as long as a request may take, so the client has given up by then.
	statementTimeout = 30 * time.Second

	// upkeepTimeout bounds a statement that may read a whole table: creating a partition from the rows that the default
	// partition caught, and analyzing. A million rows take some ten seconds.
	upkeepTimeout = 10 * time.Minute

	// sourceTimeout bounds a statement of the outbox, which waits up to outboxLockTimeout for locks and stores 8 MiB of
	// messages for at most as many endpoints as one statement may have.
	sourceTimeout = time.Minute

	// recordRest reduces the number of statements that record results, by half under load. The only thing that waits
	// for such a statement is its attempt's place among those in progress.
	recordRest = 5 * time.Millisecond

	// idleInTransaction is how long a transaction may be idle, in Postgres's syntax. Ours are idle for a
	// millisecond, unless their process is stopped.
	idleInTransaction = "30s"

	// lockTimeout is how long a statement waits for a lock, in Postgres's syntax. It is longer than a migration waits
	// for its lock on a table, behind which other statements queue up.
	lockTimeout = "5s"

	// versionMin is Postgres 15's server_version_num.
	versionMin = 150000

	// versionCrashing is the server_version_num of Postgres 18.0, its betas and its release candidates.
	// DeliveryClaimManyAnyTenant crashes its backend there, and with it the server; 18.1 has the fix.
	versionCrashing = 180000
)

// Connections returns the maximum number of connections to the database: the pools', and the one that listens.
func (s *Store) Connections() int { return s.pools.size() + 1 }

// Open connects to the database of c.Database. It returns an error if the server does not answer,
// is older than Postgres 15, or is Postgres 18.0. The caller must close the store after use.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Traces == nil {
		c.Traces = notraces.NewTracerProvider()
	}
	if c.Meters == nil {
		c.Meters = nometrics.NewMeterProvider()
	}
	config, err := poolConfig(c.Database)
	if err != nil {
		return nil, err
	}
	config.AfterConnect = prepare(c.Database)
	move := &failover{clock: c.Clock}
	tracer := multitracer.New(move, newStatementTracer(c, config.ConnConfig))
	config.ConnConfig.Tracer = tracer
	pools, err := newPools(ctx, config, c.Database.pooled())
	if err != nil {
		return nil, err
	}
	move.pools.Store(pools)
	s := &Store{schema: c.Database.schema(), pool: pools.main, pools: pools, clock: clock{local: c.Clock, log: c.Log},
		tracer: c.Traces.Tracer(tracerName), unopened: unopened{log: c.Log}}
	s.reader = reader{conn: pools.requests, lists: pools.lists, keys: c.SecretKeys}
	hot := s.on(s.pool) // every message comes with a token
	s.tokens = newBatcher(func(ctx context.Context, tokens []tokenAt) []outcome[bool] {
		return separately(tokens, func(some []tokenAt) ([]outcome[bool], error) { return hot.findRevoked(ctx, some) })
	}, func(tokenAt) int { return 0 })
	s.batchRows = newBatchRows(c.Meters)
	s.tokens.spans = batchSpans{s.tracer, "token_check"}
	s.announcer = newAnnouncer(s.deliveryAnnounce, announceRest)
	s.listening, err = listenConfig(c.Database, tracer)
	if err == nil {
		err = s.checkServer(ctx)
	}
	if err == nil {
		err = s.compareClock(ctx)
	}
	if err != nil {
		pools.close()
		return nil, advised(err)
	}
	return s, nil
}

// useUTC makes a connection return times in UTC rather than in the machine's time zone.
func useUTC(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
}

func (s *Store) checkServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return checkServer(ctx, s.pool)
}

// checkServer returns an error for a server that cannot be used, before anything is changed on it.
func checkServer(ctx context.Context, conn db.DBTX) error {
	version, err := queries.ServerVersionAnyTenant(ctx, conn)
	if err != nil {
		return fmt.Errorf("server version: %w", err)
	}
	switch {
	case version < versionMin:
		return fmt.Errorf("Postgres %d is too old; use %d or newer", version/10000, versionMin/10000)
	case version == versionCrashing:
		return errors.New("Postgres 18.0 crashes on the statement that claims deliveries; use 18.1 or newer")
	}
	return nil
}

// Close sends pending announcements, waits for the connections in use and closes all connections.
func (s *Store) Close() {
	s.announcer.close()
	s.pools.close()
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return mapError(s.pool.Ping(ctx)) }

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
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// queries are the generated queries. They hold no connection: one is passed to each call.
var queries = db.New()

// Store holds the connections to one database. Requests use it directly; ForJobs and ForSources serve other parts of
// the process.
type Store struct {
	reader
	pool      *pgxpool.Pool // for storing, claiming and recording
	pools     *pools
	clock     clock
	twins     turns[core.IdempotencyKey]
	unopened  unopened
	tokens    *batcher[tokenAt, bool]
	trusted   trusted
	announcer *announcer
}

// Config configures a store.
type Config struct {
	URL        string
	Clock      func() time.Time // the host's
	SecretKeys SecretKeys
	Log        *slog.Logger
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

// Open connects to the database that c.URL names. It returns an error if the server does not answer,
// is older than Postgres 15, or is Postgres 18.0. The caller must close the store after use.
func Open(ctx context.Context, c Config) (*Store, error) {
	config, err := poolConfig(c.URL)
	if err != nil {
		return nil, err
	}
	if _, named := config.ConnConfig.RuntimeParams["application_name"]; !named {
		config.ConnConfig.RuntimeParams["application_name"] = "postrider"
	}
	config.AfterConnect = prepareConnection
	move := &failover{clock: c.Clock}
	config.ConnConfig.Tracer = move
	pools, err := newPools(ctx, config)
	if err != nil {
		return nil, err
	}
	move.pools.Store(pools)
	s := &Store{pool: pools.main, pools: pools, clock: clock{local: c.Clock, log: c.Log}, unopened: unopened{log: c.Log}}
	s.reader = reader{conn: pools.requests, lists: pools.lists, keys: c.SecretKeys}
	hot := s.on(s.pool) // every message comes with a token
	s.tokens = newBatcher(func(ctx context.Context, tokens []tokenAt) []outcome[bool] {
		return separately(tokens, func(some []tokenAt) ([]outcome[bool], error) { return hot.findRevoked(ctx, some) })
	}, func(tokenAt) int { return 0 })
	s.announcer = newAnnouncer(s.deliveryAnnounce, announceRest)
	err = s.checkServer(ctx)
	if err == nil {
		err = s.compareClock(ctx)
	}
	if err != nil {
		pools.close()
		return nil, err
	}
	return s, nil
}

// prepareConnection configures a connection: it returns times in UTC rather than in the machine's time zone, and its
// settings keep plans stable and transactions short.
func prepareConnection(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout) // the pool sets none
	defer cancel()
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	_, err := queries.ConnectionPrepareAnyTenant(ctx, conn, db.ConnectionPrepareAnyTenantParams{
		IdleTimeout: idleInTransaction, LockTimeout: lockTimeout,
	})
	return err
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

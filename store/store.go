// Package store is core's ports on Postgres: it maps rows to entities, runs units of work, turns
// constraint names into errors, and stores and records many callers' work in one statement. It is the
// only package that sees db or the driver, and knows nothing of HTTP or of how deliveries are made.
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

// queries are the compiled statements. They hold no connection: each call is given one.
var queries = db.New()

// Store is connections to one database. Requests use it as it is; ForJobs and ForSources are for other parts.
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

// Config is what a store is opened with.
type Config struct {
	URL        string
	Clock      func() time.Time // the host's
	SecretKeys SecretKeys
	Log        *slog.Logger
}

var _ core.Store = (*Store)(nil)

const (
	// connectionsDefault is enough for the few statements that are ever under way at once: the hot
	// path needs one each for storing, recording, claiming and tokens. Lists have two of them, what else requests do up
	// to three, and jobs up to two. pool_max_conns in the URL overrides it.
	connectionsDefault = 12

	// statementTimeout bounds every statement that has no bound of its own. They take milliseconds, or wait for locks that
	// others hold for as long. It is as long as a request may take: whoever waits for one has given up by then.
	statementTimeout = 30 * time.Second

	// upkeepTimeout bounds a statement that may read a whole table: making a partition of the rows that the default
	// partition caught, and analyzing. A million rows take some ten seconds.
	upkeepTimeout = 10 * time.Minute

	// sourceTimeout bounds a statement of the outbox, which waits up to outboxLockTimeout for locks and stores 8 MiB of
	// messages for at most as many endpoints as one statement may have.
	sourceTimeout = time.Minute

	// recordRest makes the statements that record results fewer, by half under load. Nobody waits for
	// one of them but its attempt's place among those under way.
	recordRest = 5 * time.Millisecond

	// idleInTransaction is how long a transaction may do nothing, as Postgres spells it. Ours do nothing
	// for a millisecond, but where their process is stopped.
	idleInTransaction = "30s"

	// lockTimeout is how long a statement waits for a lock, as Postgres spells it. It is longer than a migration waits
	// for its lock on a table, which others queue up after.
	lockTimeout = "5s"

	// versionMin is Postgres 15's server_version_num.
	versionMin = 150000

	// versionCrashing is that of Postgres 18.0, its betas and its release candidates. The backend that runs
	// DeliveryClaimManyAnyTenant dies there, and the server with it; 18.1 has the fix.
	versionCrashing = 180000
)

// Connections is how many connections to the database there may be: the pools', and the one that listens.
func (s *Store) Connections() int { return s.pools.size() + 1 }

// Open connects to the database that c.URL names. It returns an error when the server does not answer,
// is older than Postgres 15, or is Postgres 18.0. Close the store when it is no longer used.
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

// prepareConnection makes times come out of the database in UTC, not in the machine's zone, plans
// steady, and transactions short.
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

// checkServer refuses a server that cannot be used, before anything is done to it.
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

// Close announces what is not announced yet, waits for the connections in use and closes all.
func (s *Store) Close() {
	s.announcer.close()
	s.pools.close()
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return mapError(s.pool.Ping(ctx)) }

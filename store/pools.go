package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// pools divides a store's connections so that no kind of work takes all of them. Lists and statistics have a pool of
// their own, because their statements have a shorter timeout in Postgres. Other requests, jobs, and reads of large
// payloads have shares of the main pool, which leave at least a third of all connections to storing, claiming and
// recording.
type pools struct {
	main, list *pgxpool.Pool // the same pool if there are too few connections to divide

	lists    *share
	requests *share
	jobs     *share
	payloads *share
	upkeep   *share // the places of jobs, for statements that may take minutes
	sources  *share // any number of places
}

// newPools returns pools of config.MaxConns connections in total. Their sessions may be those of a pooler.
func newPools(ctx context.Context, config *pgxpool.Config, pooled bool) (p *pools, err error) {
	all, lists := config.MaxConns, max(config.MaxConns/6, 1)
	p = &pools{}
	if all >= sharedLeast {
		p.list, err = newListPool(ctx, config, lists, pooled)
		if err != nil {
			return nil, err
		}
		config = config.Copy()
		config.MaxConns = all - lists
		config.MinConns, config.MinIdleConns = min(config.MinConns, config.MaxConns), min(config.MinIdleConns, config.MaxConns)
	}
	if p.main, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		p.close()
		return nil, fmt.Errorf("database pool: %w", err)
	}
	if p.list == nil {
		p.list = p.main
	}
	p.lists, p.requests, p.jobs = newShare(p.list, int(lists)), newShare(p.main, int(all/4)), newShare(p.main, int(all/6))
	p.upkeep, p.sources = p.jobs.limited(upkeepTimeout), newShare(p.main, int(all)).limited(sourceTimeout)
	p.payloads = newShare(p.main, int(all/12))
	p.lists.places.each = max(int(lists)/2, 1)
	p.lists.wait, p.requests.wait = listWait, requestWait
	// Postgres cancels the statement earlier, which keeps the connection. This limit, which loses the connection,
	// applies only if Postgres cannot be reached.
	p.lists.limit = listLimit + time.Second
	if pooled {
		p.lists.limit = listLimit // the session may have no timeout of ours, so the driver asks Postgres to cancel
	}
	return p, nil
}

// newListPool returns a pool that has no connections while nobody lists anything.
func newListPool(ctx context.Context, config *pgxpool.Config, size int32, pooled bool) (*pgxpool.Pool, error) {
	config = config.Copy()
	config.MaxConns, config.MinConns, config.MinIdleConns = size, 0, 0
	if !pooled {
		config.AfterConnect = limitedSession(config.AfterConnect)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("database pool of lists: %w", err)
	}
	return pool, nil
}

// limitedSession returns a function that prepares a connection and sets the timeout of its statements.
func limitedSession(prepare func(context.Context, *pgx.Conn) error) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		if err := prepare(ctx, conn); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, connectTimeout)
		defer cancel()
		_, err := queries.ConnectionLimitAnyTenant(ctx, conn, fmt.Sprintf("%dms", listLimit.Milliseconds()))
		return err
	}
}

// size returns the maximum number of connections.
func (p *pools) size() int {
	n := int(p.main.Config().MaxConns)
	if p.list != p.main {
		n += int(p.list.Config().MaxConns)
	}
	return n
}

// PoolStat is the state of one pool of connections.
type PoolStat struct {
	Name            string // main or lists
	Idle, Used, Max int32
	Waited          time.Duration // the total time that callers have waited for a connection
}

// PoolStats returns the state of the store's pools.
func (s *Store) PoolStats() []PoolStat {
	stats := []PoolStat{poolStat("main", s.pools.main)}
	if s.pools.list != s.pools.main {
		stats = append(stats, poolStat("lists", s.pools.list))
	}
	return stats
}

func poolStat(name string, pool *pgxpool.Pool) PoolStat {
	s := pool.Stat()
	return PoolStat{Name: name, Idle: s.IdleConns(), Used: s.AcquiredConns(), Max: s.MaxConns(), Waited: s.EmptyAcquireWaitTime()}
}

// reset replaces all connections. Those in use are closed when they are released.
func (p *pools) reset() {
	p.main.Reset()
	p.list.Reset()
}

func (p *pools) close() {
	for _, pool := range []*pgxpool.Pool{p.list, p.main} {
		if pool != nil {
			pool.Close()
		}
	}
}

// part is the store for one part of the process, which uses other connections than requests do.
type part struct {
	reader
	store *Store
	conns connections
}

// connections are a pool or a share of one.
type connections interface {
	db.DBTX
	beginner
}

var _ core.Store = part{}

// ForJobs returns the store for background work, including lists.
func (s *Store) ForJobs() core.Store { return s.part(s.pools.jobs) }

// SourceStore is the store as sources use it.
type SourceStore interface {
	core.Store
	core.Outbox
}

// ForSources returns the store for sources, each of which ingests messages with one connection at a time.
func (s *Store) ForSources() SourceStore { return s.part(s.pools.sources) }

func (s *Store) part(conns connections) part { return part{s.on(conns), s, conns} }

// InTx runs work as [Store.InTx] does.
func (p part) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	return p.store.inTxOf(ctx, p.conns, work)
}

// Ping reports whether the database answers.
func (p part) Ping(ctx context.Context) error { return p.store.Ping(ctx) }

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/db"
)

// migrationLock is the lock that one process at a time migrates a schema under. It belongs to a transaction, and not
// to a session: a pooler would keep the session, and with it the lock, after we have gone. Migrations run on other
// connections. They can be committed only while the transaction is open.
type migrationLock struct {
	conn *pgx.Conn
	tx   pgx.Tx
	db.MigrateLockAnyTenantRow
}

// migrateWait says how long to wait for the lock.
type migrateWait struct{ poll, report, limit time.Duration }

// migrateWaitDefault has a limit that is longer than most migrations take. A process that gives up exits, and its
// supervisor starts it again.
var migrateWaitDefault = migrateWait{poll: 50 * time.Millisecond, report: 10 * time.Second, limit: 10 * time.Minute}

var errLockLost = errors.New("the lock of the migrations was lost, and another process may have migrated at the same time; run postrider migrate status")

// lock polls instead of waiting inside Postgres. A waiting statement holds a snapshot, and CREATE INDEX CONCURRENTLY
// in the process that has the lock would wait for that snapshot: a deadlock.
func (m Migrator) lock(ctx context.Context) (lock *migrationLock, err error) {
	// With the extended protocol the last statement's portal, and with it a snapshot, lives on in an idle transaction.
	// CREATE INDEX CONCURRENTLY would wait for it for ever.
	conn, err := connectForMigrations(ctx, m.Database, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	defer func() {
		if lock == nil {
			closeConn(ctx, conn)
		}
	}()
	report, limit := time.NewTicker(m.wait.report), time.NewTimer(m.wait.limit)
	defer report.Stop()
	defer limit.Stop()
	for {
		if lock, err := tryLock(ctx, conn, m.Database.schema()); err != nil || lock != nil {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-limit.C:
			return nil, fmt.Errorf("another process (%s) has been migrating schema %q for %v; stop it, or wait and start again",
				m.lockHolder(ctx, conn), m.Database.schema(), m.wait.limit)
		case <-report.C:
			m.Log.Info("waiting for another process to migrate", "schema", m.Database.schema(), "holder", m.lockHolder(ctx, conn))
		case <-time.After(m.wait.poll):
		}
	}
}

// tryLock returns nil if another process holds the lock. Between two calls no transaction is open, so that a process
// that waits keeps no connection of a pooler to itself. READ COMMITTED, and not the database's default, because other
// levels keep the first snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots.
func tryLock(ctx context.Context, conn *pgx.Conn, schema string) (lock *migrationLock, err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return nil, err
	}
	defer func() {
		if lock == nil {
			rollback(ctx, tx)
		}
	}()
	row, err := queries.MigrateLockAnyTenant(ctx, tx, schema)
	if err != nil || !row.Locked {
		return nil, err
	}
	return &migrationLock{conn: conn, tx: tx, MigrateLockAnyTenantRow: row}, nil
}

// lockHolder describes the session that holds the lock, as far as Postgres tells us.
func (m Migrator) lockHolder(ctx context.Context, conn *pgx.Conn) string {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	schema := m.Database.schema()
	holder, err := queries.MigrateLockHolderAnyTenant(ctx, conn, &schema)
	if err != nil || holder == nil {
		return "unknown" // it has just ended
	}
	return *holder
}

// release returns an error if the lock was lost before.
func (l *migrationLock) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return l.tx.Commit(ctx)
}

func (l *migrationLock) close(ctx context.Context) { closeConn(ctx, l.conn) }

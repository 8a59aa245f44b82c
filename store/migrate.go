package store

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/db"
)

// migrateLock is the advisory lock that lets one process migrate at a time. The number is our own.
const migrateLock = 7075190345

const migrateLockPoll = 50 * time.Millisecond

// Migration is one file of db/migrations.
type Migration struct {
	File    string
	Applied bool
}

// Migrate applies all pending migrations. Any number of processes may call it at the same time: one of them
// migrates, and the others wait for it and find nothing left to do.
func Migrate(ctx context.Context, databaseURL string) error {
	return migrations(ctx, databaseURL, func(d *dbmate.DB) error { return d.Migrate() })
}

// MigrateDown rolls back the last migration.
func MigrateDown(ctx context.Context, databaseURL string) error {
	return migrations(ctx, databaseURL, func(d *dbmate.DB) error { return d.Rollback() })
}

// MigrateStatus lists the migrations, in order.
func MigrateStatus(ctx context.Context, databaseURL string) (list []Migration, err error) {
	err = migrations(ctx, databaseURL, func(d *dbmate.DB) error {
		found, err := d.FindMigrations()
		for _, m := range found {
			list = append(list, Migration{File: m.FileName, Applied: m.Applied})
		}
		return err
	})
	return list, err
}

func migrations(ctx context.Context, databaseURL string, work func(*dbmate.DB) error) error {
	config, err := poolConfig(databaseURL)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer closeConn(ctx, conn) // this also releases the lock
	checking, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	if err := checkServer(checking, conn); err != nil {
		return err
	}
	if err := lockMigrations(ctx, conn); err != nil {
		return fmt.Errorf("migrate: lock: %w", err)
	}
	d := dbmate.New(migrationURL(databaseURL))
	d.FS, d.MigrationsDir = db.Migrations, []string{"migrations"}
	d.AutoDumpSchema, d.Log = false, io.Discard
	if err := work(d); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockMigrations polls instead of waiting inside Postgres. A waiting statement holds a snapshot, and
// CREATE INDEX CONCURRENTLY in the process that has the lock would wait for that snapshot: a deadlock.
func lockMigrations(ctx context.Context, conn *pgx.Conn) error {
	for {
		if locked, err := tryLockMigrations(ctx, conn); err != nil || locked {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrateLockPoll):
		}
	}
}

func tryLockMigrations(ctx context.Context, conn *pgx.Conn) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return queries.MigrateLockAnyTenant(ctx, conn, migrateLock)
}

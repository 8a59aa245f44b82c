package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/amacneil/dbmate/v2/pkg/dbutil"
	"github.com/amacneil/dbmate/v2/pkg/driver/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/postrider/postrider/db"
)

// migrationScheme is the URL scheme that selects our driver in dbmate.
const migrationScheme = "postrider"

// dbmate keeps its drivers in a map that must not be written while it is read.
func init() { dbmate.RegisterDriver(newMigrationDriver, migrationScheme) }

// migrationDriver is dbmate's Postgres driver on our connections. On its own connections it would interpret the
// parameters of DATABASE_URL, PGSSLMODE and similar variables differently from the service.
type migrationDriver struct {
	dbmate.Driver
	config *pgx.ConnConfig
	schema string
	pid    string // of the session that holds the lock
	key    string // of the lock
}

// migrationURL passes a database without a pooler, with a URL of any form, and the lock to newMigrationDriver: dbmate
// gives a driver nothing else.
func migrationURL(d Database, lock *migrationLock) *url.URL {
	values := url.Values{"pid": {strconv.Itoa(int(lock.Pid))}, "key": {strconv.FormatInt(lock.Key, 10)}}
	return &url.URL{Scheme: migrationScheme, Opaque: d.URL, Fragment: d.schema(), RawQuery: values.Encode()}
}

func newMigrationDriver(c dbmate.DriverConfig) dbmate.Driver {
	values := c.DatabaseURL.Query()
	d := &migrationDriver{schema: c.DatabaseURL.Fragment, pid: values.Get("pid"), key: values.Get("key")}
	config, err := migrationConfig(Database{URL: c.DatabaseURL.Opaque, Schema: d.schema})
	if err == nil { // otherwise Open returns the error
		d.config = config
		// A migration consists of several statements, which only the simple protocol takes at once. Prepared
		// statements are also what poolers and Citus restrict.
		d.config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		d.config.RuntimeParams["standard_conforming_strings"] = "on" // as the migrations are written
	}
	// dbmate creates its table in the first schema of the search path, which it reads from the URL.
	c.DatabaseURL = &url.URL{Scheme: "postgres", RawQuery: url.Values{"search_path": {d.schema}}.Encode()}
	d.Driver = postgres.NewDriver(c)
	return d
}

// Open connects dbmate to the database.
func (d *migrationDriver) Open() (*sql.DB, error) {
	if d.config == nil {
		return nil, errURL
	}
	return stdlib.OpenDB(*d.config), nil
}

const codeNoSchema = "3F000"

// CreateMigrationsTable also creates the schema if it does not exist.
func (d *migrationDriver) CreateMigrationsTable(conn *sql.DB) error {
	err := d.Driver.CreateMigrationsTable(conn)
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != codeNoSchema {
		return err
	}
	// dbmate's interface has no context.
	if _, err := conn.ExecContext(context.Background(), "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{d.schema}.Sanitize()); err != nil {
		return err
	}
	return d.Driver.CreateMigrationsTable(conn)
}

// InsertMigration also returns an error if the lock was lost, which rolls the migration back. If the migration runs
// outside a transaction, that comes too late: it is recorded nevertheless, and is the last one.
func (d *migrationDriver) InsertMigration(conn dbutil.Transaction, version string) error {
	if err := d.Driver.InsertMigration(conn, version); err != nil {
		return err
	}
	return d.checkLock(conn)
}

// DeleteMigration is InsertMigration when a migration is reverted.
func (d *migrationDriver) DeleteMigration(conn dbutil.Transaction, version string) error {
	if err := d.Driver.DeleteMigration(conn, version); err != nil {
		return err
	}
	return d.checkLock(conn)
}

func (d *migrationDriver) checkLock(conn dbutil.Transaction) error {
	var held bool
	if err := conn.QueryRow(db.LockHeld, d.pid, d.key).Scan(&held); err != nil {
		return err
	}
	if !held {
		return errLockLost
	}
	return nil
}

// QueryError adds an error's position in the migration.
func (d *migrationDriver) QueryError(query string, err error) error {
	position := 0
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		position = int(e.Position)
	}
	return &dbmate.QueryError{Err: err, Query: query, Position: position}
}

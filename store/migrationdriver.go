package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/amacneil/dbmate/v2/pkg/driver/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// migrationScheme is the URL scheme that selects our driver in dbmate.
const migrationScheme = "postrider"

// dbmate keeps its drivers in a map that must not be written while it is read.
func init() { dbmate.RegisterDriver(newMigrationDriver, migrationScheme) }

// migrationDriver is dbmate's Postgres driver on our connections. On its own connections it would interpret the
// parameters of DATABASE_URL, PGSSLMODE and similar variables differently from the service.
type migrationDriver struct {
	dbmate.Driver
	config     *pgx.ConnConfig
	searchPath string
}

// migrationURL passes a database URL of any form to newMigrationDriver.
func migrationURL(databaseURL string) *url.URL {
	return &url.URL{Scheme: migrationScheme, Opaque: databaseURL}
}

func newMigrationDriver(c dbmate.DriverConfig) dbmate.Driver {
	d := &migrationDriver{}
	if config, err := poolConfig(c.DatabaseURL.Opaque); err == nil { // otherwise Open returns the error
		d.config = config.ConnConfig
		// A migration consists of several statements, each of which is used once.
		d.config.DefaultQueryExecMode = pgx.QueryExecModeExec
		d.searchPath = d.config.RuntimeParams["search_path"]
	}
	// dbmate creates its table in the first schema of the search path, which it reads from the URL.
	c.DatabaseURL = &url.URL{Scheme: "postgres", RawQuery: url.Values{"search_path": {d.searchPath}}.Encode()}
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
	schema, _, _ := strings.Cut(d.searchPath, ",")
	// dbmate's interface has no context.
	if _, err := conn.ExecContext(context.Background(), "CREATE SCHEMA IF NOT EXISTS "+strings.TrimSpace(schema)); err != nil {
		return err
	}
	return d.Driver.CreateMigrationsTable(conn)
}

// QueryError adds an error's position in the migration.
func (d *migrationDriver) QueryError(query string, err error) error {
	position := 0
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		position = int(e.Position)
	}
	return &dbmate.QueryError{Err: err, Query: query, Position: position}
}

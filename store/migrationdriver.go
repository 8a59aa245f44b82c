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

// migrationScheme names our driver to dbmate.
const migrationScheme = "postrider"

// dbmate knows drivers by name, in a map that is not to be written while it is read.
func init() { dbmate.RegisterDriver(newMigrationDriver, migrationScheme) }

// migrationDriver is dbmate's driver of Postgres on connections of ours: with its own it would understand
// other parameters of DATABASE_URL than the service does, and others of PGSSLMODE and its like.
type migrationDriver struct {
	dbmate.Driver
	config     *pgx.ConnConfig
	searchPath string
}

// migrationURL hands a database URL of any form to newMigrationDriver.
func migrationURL(databaseURL string) *url.URL {
	return &url.URL{Scheme: migrationScheme, Opaque: databaseURL}
}

func newMigrationDriver(c dbmate.DriverConfig) dbmate.Driver {
	d := &migrationDriver{}
	if config, err := poolConfig(c.DatabaseURL.Opaque); err == nil { // else Open says so
		d.config = config.ConnConfig
		// A migration is several statements, each prepared for one use.
		d.config.DefaultQueryExecMode = pgx.QueryExecModeExec
		d.searchPath = d.config.RuntimeParams["search_path"]
	}
	// It makes its table in the first schema of the path, and would look for that in a URL.
	c.DatabaseURL = &url.URL{Scheme: "postgres", RawQuery: url.Values{"search_path": {d.searchPath}}.Encode()}
	d.Driver = postgres.NewDriver(c)
	return d
}

// Open is what dbmate connects by.
func (d *migrationDriver) Open() (*sql.DB, error) {
	if d.config == nil {
		return nil, errURL
	}
	return stdlib.OpenDB(*d.config), nil
}

const codeNoSchema = "3F000"

// CreateMigrationsTable makes the schema, too, if it is not there.
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

// QueryError says where in a migration an error is.
func (d *migrationDriver) QueryError(query string, err error) error {
	position := 0
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		position = int(e.Position)
	}
	return &dbmate.QueryError{Err: err, Query: query, Position: position}
}

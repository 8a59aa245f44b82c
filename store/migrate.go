package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// Migration is one file of db/migrations.
type Migration struct {
	File    string
	Applied bool
}

// version is the number that a file's name begins with.
func (m Migration) version() string {
	version, _, _ := strings.Cut(m.File, "_")
	return version
}

// Migrator changes the schema of a database.
type Migrator struct {
	Database Database
	Log      *slog.Logger // nothing is logged if nil

	wait      migrateWait // migrateWaitDefault if zero
	moveTries int         // moveTriesDefault if zero
}

func (m Migrator) withDefaults() Migrator {
	m.Database = m.Database.Direct()
	m.Log = cmp.Or(m.Log, slog.New(slog.DiscardHandler))
	m.wait = cmp.Or(m.wait, migrateWaitDefault)
	m.moveTries = cmp.Or(m.moveTries, moveTriesDefault)
	return m
}

// Migrate is [Migrator.Up] without a log.
func Migrate(ctx context.Context, d Database) error { return Migrator{Database: d}.Up(ctx) }

// MigrateDown is [Migrator.Down] without a log.
func MigrateDown(ctx context.Context, d Database) error { return Migrator{Database: d}.Down(ctx) }

// Up applies all pending migrations. Any number of processes may call it at the same time: one of them migrates, and
// the others wait for it and find nothing left to do. It changes nothing in a schema that somebody else uses, and
// moves an installation of a release that used the schema public into its own. If nothing is pending, it needs no right
// to migrate.
//
// Through a transaction pooler it returns an error if any are pending. CREATE INDEX CONCURRENTLY cannot have settings
// of its own there, so that the lock_timeout of the role would leave an invalid index behind, and the lock would
// occupy one of the pooler's sessions.
func (m Migrator) Up(ctx context.Context) error { return m.withDefaults().up(ctx) }

func (m Migrator) up(ctx context.Context) error {
	if m.Database.pooled() {
		return m.wantMigrated(ctx)
	}
	return m.locked(ctx, func(conn *pgx.Conn, mate *dbmate.DB) error {
		versions, err := appliedVersions(ctx, conn)
		if err != nil || versions.ours() && versions.pending() == 0 {
			return err
		}
		if err := m.moveIn(ctx, conn); err != nil {
			return err
		}
		err = mate.Migrate()
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == codeForbidden {
			return fmt.Errorf("migrations are pending, and this role may not apply them; run postrider migrate up as the owner of the schema: %w", err)
		}
		return err
	})
}

// DirectVariable is the setting of Database.DirectURL. Errors name it.
const DirectVariable = "POSTRIDER_DATABASE_DIRECT_URL"

const directAdvice = "set " + DirectVariable + " to a URL that leads to Postgres without the pooler"

// wantMigrated returns an error if migrations are pending.
func (m Migrator) wantMigrated(ctx context.Context) error {
	conn, err := connectForMigrations(ctx, m.Database, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	versions, err := appliedVersions(ctx, conn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if pending := versions.pending(); pending > 0 {
		return fmt.Errorf("%s pending, and a transaction pooler cannot apply them; %s, and run postrider migrate up", counted(pending, "migration"), directAdvice)
	}
	return nil
}

// Down reverts the last migration.
func (m Migrator) Down(ctx context.Context) error { return m.withDefaults().down(ctx) }

func (m Migrator) down(ctx context.Context) error {
	if m.Database.pooled() {
		return errors.New("a transaction pooler cannot revert a migration; " + directAdvice)
	}
	return m.locked(ctx, func(conn *pgx.Conn, mate *dbmate.DB) error {
		versions, err := appliedVersions(ctx, conn)
		if err != nil {
			return err
		}
		if !versions.ours() {
			return fmt.Errorf("schema %q has no migrations to revert", m.Database.schema())
		}
		return mate.Rollback()
	})
}

// MigrateStatus lists the migrations, in order. It needs the right to read schema_migrations alone, and waits for
// nobody.
func MigrateStatus(ctx context.Context, d Database) ([]Migration, error) {
	conn, err := connectForMigrations(ctx, d.Direct(), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	versions, err := appliedVersions(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return versions.migrations(), nil
}

// locked runs work, which may use conn, under the lock of the schema's migrations.
func (m Migrator) locked(ctx context.Context, work func(conn *pgx.Conn, mate *dbmate.DB) error) error {
	conn, err := connectForMigrations(ctx, m.Database, pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	lock, err := m.lock(ctx)
	if err != nil {
		return fmt.Errorf("migrate: lock: %w", err)
	}
	defer lock.close(ctx)
	mate := dbmate.New(migrationURL(m.Database, lock))
	mate.FS, mate.MigrationsDir = db.Migrations, []string{migrationsDir}
	mate.AutoDumpSchema, mate.Log = false, io.Discard
	if err := work(conn, mate); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := lock.release(ctx); err != nil {
		return fmt.Errorf("migrate: %w: %w", errLockLost, err)
	}
	return nil
}

// connectForMigrations connects to a server that can be used.
func connectForMigrations(ctx context.Context, d Database, mode pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := migrationConfig(d)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, advised(fmt.Errorf("migrate: %w", err))
	}
	if err := checkMigrated(ctx, conn, d); err != nil {
		closeConn(ctx, conn)
		return nil, advised(err)
	}
	return conn, nil
}

// migrationConfig returns how to connect in order to migrate. The timeouts that a role may have for use behind a pooler
// do not apply: creating an index waits for the end of transactions that are older.
func migrationConfig(d Database) (*pgx.ConnConfig, error) {
	d.Application = "postrider-migrate"
	config, err := poolConfig(d)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8" // the driver's simple protocol needs it
	if !d.pooled() {
		config.ConnConfig.RuntimeParams["lock_timeout"] = "0"
		config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	}
	return config.ConnConfig, nil
}

// checkMigrated returns an error if migrations would fail, or find or create their table in another schema.
func checkMigrated(ctx context.Context, conn *pgx.Conn, d Database) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	if err := checkServer(ctx, conn); err != nil {
		return err
	}
	if d.pooled() {
		return checkSession(ctx, conn, d)
	}
	session, err := queries.SessionSettingsAnyTenant(ctx, conn, []string{searchPathSetting})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return checkSearchPath(session.Values[0], d)
}

const migrationsDir = "migrations"

// migrationFileNames returns the names of all migrations, in order.
func migrationFileNames() []string {
	entries, err := fs.ReadDir(db.Migrations, migrationsDir)
	if err != nil {
		panic(err) // the directory is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

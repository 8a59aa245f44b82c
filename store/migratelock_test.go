package store

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	"github.com/jackc/pgx/v5"
)

// takeMigrationLock holds the lock of a schema's migrations.
func takeMigrationLock(t *testing.T, d Database) *migrationLock {
	t.Helper()
	lock, err := Migrator{Database: d}.withDefaults().lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.close(t.Context()) })
	return lock
}

// TestMigrateSaysWhomItWaitsFor waits for a lock that is not released.
func TestMigrateSaysWhomItWaitsFor(t *testing.T) {
	t.Parallel()
	d := Database{URL: empty.New(t)}
	holder := takeMigrationLock(t, d)
	var log strings.Builder
	err := Migrator{
		Database: d, Log: slog.New(slog.NewTextHandler(&log, nil)),
		wait: migrateWait{poll: time.Millisecond, report: 20 * time.Millisecond, limit: 500 * time.Millisecond},
	}.Up(t.Context())
	who := "pid " + strconv.Itoa(int(holder.Pid)) + ", postrider-migrate"
	if err == nil || !strings.Contains(err.Error(), who) || !strings.Contains(err.Error(), "500ms") {
		t.Errorf("%v, want one that names %q", err, who)
	}
	if !strings.Contains(log.String(), "waiting for another process to migrate") || !strings.Contains(log.String(), who) {
		t.Errorf("the log says %q", log.String())
	}
}

// Two cells in a database have a lock each.
func TestSchemasMigrateSideBySide(t *testing.T) {
	t.Parallel()
	url := empty.New(t)
	takeMigrationLock(t, Database{URL: url, Schema: "cell_one"})
	if err := Migrate(t.Context(), Database{URL: url, Schema: "cell_two"}); err != nil {
		t.Error(err)
	}
}

// TestMigrationLockEndsWithItsTransaction: the session may go on, as in a pooler. The server does not end the
// transaction for being idle, whatever the database's settings are, and it has no snapshot that others wait for.
func TestMigrationLockEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	d := Database{URL: empty.New(t)}
	lock := takeMigrationLock(t, d)
	observer := connect(t, d.URL)
	const idle = "SELECT state = 'idle in transaction' AND backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $1"
	if !valueOn[bool](t, observer, idle, lock.Pid) {
		t.Error("the lock's transaction has a snapshot or an identity")
	}
	var timeout string
	if err := lock.tx.QueryRow(t.Context(), "SELECT current_setting('idle_in_transaction_session_timeout')").Scan(&timeout); err != nil || timeout != "0" {
		t.Errorf("the timeout is %q, %v", timeout, err)
	}
	if err := lock.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if locks := valueOn[int](t, observer, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = $1", lock.Pid); locks != 0 {
		t.Errorf("the session still holds %d locks", locks)
	}
	takeMigrationLock(t, d)
}

// TestIndexIsCreatedConcurrentlyUnderTheLock has another process wait for the lock meanwhile, and writes to the table.
func TestIndexIsCreatedConcurrentlyUnderTheLock(t *testing.T) {
	t.Parallel()
	d := Database{URL: empty.New(t)}
	files := fstest.MapFS{
		migrationsDir + "/1_create.sql": {Data: []byte("-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\n")},
		migrationsDir + "/2_index.sql":  {Data: []byte("-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY a_id_idx ON a (id);\n-- migrate:down\n")},
	}
	done := make(chan error, 1)
	go func() { done <- migrateWith(t, Migrator{Database: d}, files) }()
	if err := migrateWith(t, Migrator{Database: d}, files); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !valueOn[bool](t, connect(t, d.URL), "SELECT indisvalid FROM pg_index WHERE indexrelid = 'postrider.a_id_idx'::regclass") {
		t.Error("the index is not valid")
	}
}

// TestMigrationStopsWithoutItsLock ends the session that holds the lock while a migration runs.
func TestMigrationStopsWithoutItsLock(t *testing.T) {
	t.Parallel()
	d := Database{URL: empty.New(t)}
	const kill = `SELECT pg_terminate_backend(pid, 60000) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database());`
	files := fstest.MapFS{
		migrationsDir + "/1_create.sql": {Data: []byte("-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\n")},
		migrationsDir + "/2_kill.sql":   {Data: []byte("-- migrate:up\nCREATE TABLE b (id int);\n" + kill + "\n-- migrate:down\n")},
		migrationsDir + "/3_create.sql": {Data: []byte("-- migrate:up\nCREATE TABLE c (id int);\n-- migrate:down\n")},
	}
	if err := migrateWith(t, Migrator{Database: d}, files); !errors.Is(err, errLockLost) {
		t.Errorf("it returns %v", err)
	}
	conn := connect(t, d.URL)
	if applied := valueOn[string](t, conn, "SELECT string_agg(version, ' ') FROM postrider.schema_migrations"); applied != "1" {
		t.Errorf("applied are %q", applied)
	}
	if !valueOn[bool](t, conn, "SELECT to_regclass('postrider.b') IS NULL") {
		t.Error("a migration was committed without the lock")
	}
}

// TestMigrateReportsLockThatIsLostAtTheEnd: another process may have begun to migrate.
func TestMigrateReportsLockThatIsLostAtTheEnd(t *testing.T) {
	t.Parallel()
	d := Database{URL: empty.New(t)}
	err := Migrator{Database: d}.withDefaults().locked(t.Context(), func(conn *pgx.Conn, _ *dbmate.DB) error {
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 60000) FROM pg_locks
			WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
		return err
	})
	if !errors.Is(err, errLockLost) {
		t.Errorf("it returns %v", err)
	}
}

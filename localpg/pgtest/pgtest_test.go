package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/localpg/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.M{M: m}) }

var pg = pgtest.Template(migrate)

// stray is a connection to the template that a careless migration left open.
var stray *pgx.Conn

func migrate(ctx context.Context, url string) error {
	var err error
	if stray, err = pgx.Connect(ctx, url); err != nil {
		return err
	}
	_, err = stray.Exec(ctx, "CREATE TABLE note (body text NOT NULL)")
	return err
}

// Eight in parallel, because Postgres might refuse concurrent clones of one template.
func TestEachTestGetsItsOwnClone(t *testing.T) {
	t.Parallel()
	for range 8 {
		t.Run("clone", func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pg.New(t))
			insert(t, conn)
			if got := count(t, conn); got != 1 {
				t.Errorf("the clone has %d rows, want its own one", got)
			}
		})
	}
}

func TestDatabaseGoesWithItsTestThoughConnected(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("owner", func(t *testing.T) {
		url = pg.New(t)
		// Nobody closes it before the database is dropped.
		if _, err := pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Error("the database outlived its test")
	}
}

func TestSharedIsOneMigratedDatabase(t *testing.T) {
	t.Parallel()
	first, second := pg.Shared(t), pg.Shared(t)
	if first != second {
		t.Errorf("Shared returned %s and then %s", first, second)
	}
	if got := count(t, connect(t, first)); got != 0 {
		t.Errorf("the shared database has %d rows, want none", got)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func insert(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "INSERT INTO note VALUES ('mine')"); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM note").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

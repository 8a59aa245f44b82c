package store

import (
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// dumpInto loads pg_dump's output for one database into another. Both programs then have an empty search_path, and
// psql stops at the first error, which leaves the table it was loading empty.
func (w *world) dumpInto(t *testing.T, restored string, options ...string) {
	t.Helper()
	from := w.pool.Config().ConnString()
	dump, err := pgDump(t.Context(), from)
	if err != nil {
		t.Skip(err)
	}
	psql, err := exec.LookPath(filepath.Join(filepath.Dir(dump), "psql"))
	if err != nil {
		t.Skip(err)
	}
	script := exec.CommandContext(t.Context(), dump, append(options, "--no-owner", from)...)
	load := exec.CommandContext(t.Context(), psql, "-q", "-v", "ON_ERROR_STOP=1", restored)
	if load.Stdin, err = script.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	if output, err := load.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if err := script.Wait(); err != nil {
		t.Error(err)
	}
}

// TestDeliveriesAreRestoredInTheirOrder restores only data. Deliveries keep the numbers they had, and later ones follow.
func TestDeliveriesAreRestoredInTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	w.send(5)
	// The dump finds the rows in another order than that of the deliveries.
	w.exec("UPDATE delivery SET attempts = 1 WHERE seq < (SELECT max(seq) FROM delivery)")
	const order = "SELECT array_agg(message_id ORDER BY seq) FROM delivery"
	want := value[[]core.MessageID](w, order)
	url := pg.New(t)
	w.dumpInto(t, url, "--data-only", "--exclude-table=schema_migrations")
	restored := &world{Store: openStore(t, url, nil), t: t}
	if got := value[[]core.MessageID](restored, order); !slices.Equal(got, want) {
		t.Errorf("restored %v, want %v", got, want)
	}
	restored.app = w.app
	restored.send(1) // goes after them
	last := value[core.MessageID](restored, "SELECT message_id FROM delivery WHERE endpoint_id = $1 ORDER BY seq DESC LIMIT 1", e.ID)
	if slices.Contains(want, last) {
		t.Errorf("%s is last, and was owed before the dump", last)
	}
}

// TestFunctionsWorkUnderAnySearchPath: pg_dump restores with an empty one, a DBA calls functions from anywhere, and
// producers use the path of their own tables, which may have the names of ours.
func TestFunctionsWorkUnderAnySearchPath(t *testing.T) {
	t.Parallel()
	database := Database{URL: empty.New(t), Schema: "hooks"}
	if err := Migrate(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Database: database, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{Store: s, t: t}
	w.app = w.addApplication(testOrg, "acme")
	e := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	w.exec(`CREATE SCHEMA hostile
		CREATE TABLE message (LIKE hooks.message)
		CREATE TABLE message_default (LIKE hooks.message)
		CREATE TABLE outbox (LIKE hooks.outbox)
		CREATE SEQUENCE delivery_seq START 1000000`)
	conn, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for i, path := range []string{"''", "hostile", "hostile, hooks"} {
		p := core.MessagePartition(time.Date(2040, 1, 1+7*i, 0, 0, 0, 0, time.UTC))
		for _, sql := range []string{
			"SET search_path = " + path,
			fmt.Sprintf("SELECT hooks.partition_create('%s', '%s', '%s', '%s')", p.Table, p.Suffix, p.From, p.To),
			"SELECT hooks.message_send('acme', 'a', '{}')",
			fmt.Sprintf(`INSERT INTO hooks.delivery (app_id, message_id, endpoint_id, due_at, lease, queue)
				VALUES ('%s', 'msg_%d', '%s', now(), 0, 2)`, w.app.ID, i, e.ID),
		} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("search_path %s: %s: %v", path, sql, err)
			}
		}
	}
	for what, n := range map[string]int{
		"SELECT count(*) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE relnamespace = 'hooks'::regnamespace AND relkind = 'r' AND relname ~ '^message_20(39|40)'": 3,
		"SELECT count(*) FROM hooks.outbox":                       3,
		"SELECT count(*) FROM hooks.delivery WHERE seq < 1000000": 3,
	} {
		if got := value[int](w, what); got != n {
			t.Errorf("%s: %d, want %d", what, got, n)
		}
	}
}

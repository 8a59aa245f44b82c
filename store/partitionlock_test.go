package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// A pg_dump reads for hours. What needs a table to itself waits for it only so briefly that whoever comes later does not
// notice, and succeeds once the reader has ended.
func TestPartitionsDelayNobodyBehindAReader(t *testing.T) {
	t.Parallel()
	next, last := core.MessagePartition(time.Now().AddDate(1, 0, 0)), core.PartitionsAround(time.Now())[0]
	for name, sql := range map[string]string{
		"create": fmt.Sprintf("SELECT partition_create('message', '%s', '%s', '%s')", next.Suffix, next.From, next.To),
		"detach": fmt.Sprintf("SELECT partition_detach('message', '%s')", last.Suffix),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addEndpoint(nil)
			reader := w.begin()
			if _, err := reader.Exec(t.Context(), "SELECT FROM message"); err != nil {
				t.Fatal(err)
			}
			tries := w.whileTried(sql, func(conn *pgx.Conn) {
				in := insertParams([]core.NewMessage{w.event(nil)}, core.Room{}, now())
				rows, err := queries.MessageInsertMany(t.Context(), conn, in)
				if err != nil || !slices.ContainsFunc(rows, func(r db.MessageInsertManyRow) bool { return r.Stored }) {
					t.Errorf("a message waits for the reader: %+v, %v", rows, err)
				}
				if _, err := conn.Exec(t.Context(), "SELECT id FROM message WHERE app_id = $1 ORDER BY id DESC LIMIT 10", w.app.ID); err != nil {
					t.Errorf("a list waits for the reader: %v", err)
				}
			})
			rollback(t.Context(), reader)
			w.await(fmt.Sprintf("done after the reader has ended (%d tries before)", tries), func() bool {
				_, err := w.pool.Exec(t.Context(), sql)
				if err != nil && !isLocked(err) {
					t.Fatal(err)
				}
				return err == nil
			})
		})
	}
}

const triesEnough = 20

// whileTried calls others again and again while sql is tried, which must never succeed, and returns how often it was.
// Statements of the others give up after a second, which is half as long as partition_create once waited.
func (w *world) whileTried(sql string, others func(*pgx.Conn)) int64 {
	w.t.Helper()
	conn := connectTo(w.t, w.pool.Config().ConnString())
	for _, set := range []string{"SET search_path = postrider, pg_temp", "SET lock_timeout = '1s'"} {
		if _, err := conn.Exec(w.t.Context(), set); err != nil {
			w.t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(w.t.Context())
	var tries atomic.Int64
	var trying sync.WaitGroup
	trying.Go(func() {
		for ctx.Err() == nil {
			if _, err := w.pool.Exec(context.WithoutCancel(ctx), sql); !isLocked(err) {
				w.t.Errorf("%s beside a reader: %v, want it to give up", sql, err)
				return
			}
			tries.Add(1)
		}
	})
	for tries.Load() < triesEnough && !w.t.Failed() {
		others(conn)
	}
	stop()
	trying.Wait()
	return tries.Load()
}

// The service learns that it has to try again.
func TestPartitionCreateSaysThatTheTableIsInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := w.begin()
	if _, err := reader.Exec(t.Context(), "SELECT FROM attempt"); err != nil {
		t.Fatal(err)
	}
	p := core.AttemptPartition(time.Now().AddDate(1, 0, 0))
	if made, err := w.PartitionCreate(t.Context(), p); made || !isTooBusy(err) {
		t.Errorf("made %v, %v; want an error that passes", made, err)
	}
	// Partitions that exist are nothing to wait for.
	for _, p := range core.PartitionsAround(time.Now()) {
		if made, err := w.PartitionCreate(t.Context(), p); made || err != nil {
			t.Errorf("%s_%s: made %v, %v", p.Table, p.Suffix, made, err)
		}
	}
}

// A process that waits for another one to make the partition finds it made.
func TestPartitionsAreMadeOnceByProcessesThatMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := core.MessagePartition(time.Now().AddDate(1, 0, 0))
	first := w.begin()
	made, err := queries.PartitionCreateAnyTenant(t.Context(), first, db.PartitionCreateAnyTenantParams{
		Parent: p.Table, Suffix: p.Suffix, LowerID: p.From, UpperID: p.To,
	})
	if err != nil || !made {
		t.Fatal(made, err)
	}
	second := make(chan error, 1)
	go func() {
		made, err := w.PartitionCreate(context.WithoutCancel(t.Context()), p)
		if made {
			err = errors.New("made twice")
		}
		second <- err
	}()
	w.awaitLock()
	w.commit(first)
	if err := <-second; err != nil && !isTooBusy(err) { // on a slow machine it has given up
		t.Error(err)
	}
}

// Functions that run with the rights of the owner take nothing but what they are for.
func TestPartitionFunctionsRefuseOtherTables(t *testing.T) {
	t.Parallel()
	w, _ := rolesWorld(t)
	p := core.MessagePartition(time.Now().AddDate(1, 0, 0))
	attempts := core.AttemptPartition(time.Now())
	for _, args := range [][4]any{
		{"endpoint", p.Suffix, p.From, p.To},
		{"message_default", p.Suffix, p.From, p.To},
		{`message" (id text); DROP TABLE "endpoint`, p.Suffix, p.From, p.To},
		{"pg_catalog.pg_class", p.Suffix, p.From, p.To},
		{"message", "default", p.From, p.To},
		{"message", p.Suffix + "\n", p.From, p.To},
		{"message", p.Suffix, "", p.To},
		{"message", p.Suffix, p.From, "~"},
		{"message", p.Suffix, p.To, p.From},
		{"message", p.Suffix, p.From, p.From},
		{"message", p.Suffix, attempts.From, attempts.To},
		{"attempt", p.Suffix, p.From, p.To},
		{nil, p.Suffix, p.From, p.To},
		{"message", nil, p.From, p.To},
		{"message", p.Suffix, nil, p.To},
		{"message", p.Suffix, p.From, nil},
	} {
		_, err := w.pool.Exec(t.Context(), "SELECT partition_create($1, $2, $3, $4)", args[:]...)
		if sqlState(err) != "22023" {
			t.Errorf("partition_create%q: %v", args, err)
		}
	}
	for _, table := range []any{"endpoint", "message_default", "message; DROP TABLE endpoint", "pg_class", nil} {
		if _, err := w.pool.Exec(t.Context(), "SELECT partition_analyze($1)", table); sqlState(err) != "22023" {
			t.Errorf("partition_analyze(%v): %v", table, err)
		}
	}
}

// A caller's temporary tables and search_path change nothing about what the functions act on.
func TestPartitionFunctionsIgnoreTheCallersTables(t *testing.T) {
	t.Parallel()
	w, admin := rolesWorld(t)
	conn := connectTo(t, w.pool.Config().ConnString())
	p := core.MessagePartition(time.Now().AddDate(1, 0, 0))
	for _, sql := range []string{
		"CREATE TEMP TABLE message (id text)", "CREATE TEMP TABLE message_default (id text)",
		"CREATE FUNCTION pg_temp.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass'",
		"SET search_path = pg_temp, postrider",
		fmt.Sprintf("SELECT partition_create('message', '%s', '%s', '%s')", p.Suffix, p.From, p.To),
		"SELECT partition_analyze('message')",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	const made = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'postrider.message'::regclass AND inhrelid = to_regclass($1)"
	if n := value[int](admin, made, "postrider.message_"+p.Suffix); n != 1 {
		t.Errorf("%d partitions of that name", n)
	}
}

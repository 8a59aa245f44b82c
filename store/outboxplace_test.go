package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// outboxConsumer takes messages from its place onward and never looks at the whole outbox again.
type outboxConsumer struct {
	*world
	reader
	place core.OutboxPlace
}

func (w *world) outboxConsumer() *outboxConsumer { return &outboxConsumer{world: w, reader: w.reader} }

// take takes up to limit messages and returns their payloads.
func (c *outboxConsumer) take(limit int) (payloads []string) {
	c.t.Helper()
	found, next, err := c.OutboxList(c.t.Context(), c.place, limit, 1<<20)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, o := range c.ingest().OutboxIngestMany(c.t.Context(), foundIn(found)) {
		if o.Err != nil {
			c.t.Fatal(o.Err)
		}
		payloads = append(payloads, found[i].Payload)
	}
	c.place = next
	return payloads
}

// leaver is a transaction of another application.
type leaver struct {
	*world
	pgx.Tx
}

func (w *world) leaver() leaver {
	w.t.Helper()
	tx, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { rollback(context.WithoutCancel(w.t.Context()), tx) })
	return leaver{w, tx}
}

func (l leaver) do(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.Exec(l.t.Context(), sql, args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l leaver) leave(n int) {
	l.t.Helper()
	l.do("INSERT INTO outbox (org_id, application, event_type, payload) VALUES ($1, 'acme', 'a', $2)", testOrg, fmt.Sprint(`{"n":`, n, `}`))
}

func (l leaver) commit() {
	l.t.Helper()
	if err := l.Commit(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// The next look finds messages that commit after others with higher ids were taken, and those that have a low id for
// another reason.
func TestOutboxFindsWhatCommitsLate(t *testing.T) {
	t.Parallel()
	const insert = "INSERT INTO outbox (id, org_id, application, event_type, payload) OVERRIDING SYSTEM VALUE VALUES "
	for name, test := range map[string]struct {
		first string // run in the late transaction before others are taken; if empty, the transaction begins after that
		then  string // run in the late transaction after others are taken
		want  []string
	}{
		"inserted before":            {insert + "(1, 'org_test', 'acme', 'a', '{}')", "", []string{"{}"}},
		"in a savepoint":             {"SAVEPOINT s; " + insert + "(1, 'org_test', 'acme', 'a', '{}'); RELEASE s", "", []string{"{}"}},
		"id before, row after":       {"SELECT nextval(pg_get_serial_sequence('outbox', 'id'))", insert + "(1, 'org_test', 'acme', 'a', '{}')", []string{"{}"}},
		"lowest id":                  {"", insert + "(-9223372036854775808, 'org_test', 'acme', 'a', '{}')", []string{"{}"}},
		"highest id":                 {"", insert + "(9223372036854775807, 'org_test', 'acme', 'a', '{}')", []string{"{}"}},
		"identity that is restarted": {"", "ALTER TABLE outbox ALTER id RESTART; INSERT INTO outbox (org_id, application, event_type, payload) VALUES ('org_test', 'acme', 'a', '{}')", []string{"{}"}},
		"table that is truncated":    {"", "TRUNCATE outbox RESTART IDENTITY; INSERT INTO outbox (org_id, application, event_type, payload) VALUES ('org_test', 'acme', 'a', '{}')", []string{"{}"}},
		"several in any order": {insert + `(9, 'org_test', 'acme', 'a', '{"n":9}'), (3, 'org_test', 'acme', 'a', '{"n":3}')`,
			insert + `(-5, 'org_test', 'acme', 'a', '{"n":-5}')`, []string{`{"n":-5}`, `{"n":3}`, `{"n":9}`}},
	} {
		for _, limit := range []int{100, 1} {
			t.Run(fmt.Sprintf("%s, %d at once", name, limit), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				c, late := w.outboxConsumer(), w.leaver()
				late.do(test.first)
				w.exec("SELECT setval(pg_get_serial_sequence('outbox', 'id'), 99)")
				for n := range 3 {
					w.leave("acme", fmt.Sprint(`{"taken":`, n, `}`))
				}
				for taken := 0; taken < 3; {
					taken += len(c.take(limit))
				}
				if got := c.take(limit); len(got) > 0 {
					t.Errorf("took %v, which is not committed", got)
				}
				late.do(test.then)
				late.commit()
				var got []string
				for range test.want {
					got = append(got, c.take(limit)...)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("took %v, want %v", got, test.want)
				}
			})
		}
	}
}

// A row that claims to be from an old transaction, for example because a replica or a DBA copied it from another
// server, is in no snapshot. The next look at the whole outbox finds it.
func TestOutboxFindsRowsOfAnotherServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.outboxConsumer()
	c.take(100)
	w.exec(`INSERT INTO outbox (id, txid, org_id, application, event_type, payload) OVERRIDING SYSTEM VALUE
		VALUES (1, '3', 'org_test', 'acme', 'a', '{"restored": true}')`)
	c.take(100)
	c.place = core.OutboxPlace{}
	c.take(100)
	if got := w.payloadsStored(); !slices.Equal(got, []string{`{"restored": true}`}) {
		t.Errorf("stored %v", got)
	}
}

// However transactions overlap, two consumers that look from their places onward take every message once.
func TestOutboxPlacesMissNothing(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	consumers := []*outboxConsumer{w.outboxConsumer(), w.outboxConsumer()}
	open := make([]*leaver, 5) // this leaves some connections for the consumers
	left, want := 0, 0
	taken := map[string]int{}
	take := func() {
		for _, payload := range consumers[random.IntN(2)].take(1 + random.IntN(4)) {
			taken[payload]++
		}
	}
	pending := map[int]int{}
	for range 600 {
		n := random.IntN(len(open))
		switch action := random.IntN(10); {
		case open[n] == nil:
			open[n], pending[n] = new(w.leaver()), 0
		case action < 5:
			open[n].leave(left)
			left++
			pending[n]++
		case action < 8:
			take()
		case action < 9:
			open[n].commit()
			want += pending[n]
			open[n] = nil
		default:
			rollback(t.Context(), open[n].Tx)
			open[n] = nil
		}
	}
	for len(taken) < want {
		before := len(taken)
		for range 10 {
			take()
		}
		if len(taken) == before {
			break
		}
	}
	if len(taken) != want || len(w.payloadsStored()) != want {
		t.Errorf("seed %d: took %d and stored %d of %d messages", seed, len(taken), len(w.payloadsStored()), want)
	}
}

// blocks counts the blocks of tables and indexes that queries read.
type blocks struct {
	db.DBTX
	t    *testing.T
	read int
}

func (b *blocks) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	var text string
	if err := b.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+sql, args...).Scan(&text); err != nil {
		return nil, err
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return nil, err
	}
	b.read += plans[0].Plan.Hit + plans[0].Plan.Read
	return b.DBTX.Query(ctx, sql, args...)
}

// While a transaction holds a snapshot, messages that were taken cannot be removed from the table and its indexes. A
// look must not scan them, whatever the planner assumes about the table.
func TestOutboxLookUnderASnapshotReadsLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	holder, err := w.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(context.WithoutCancel(t.Context()), holder)
	if _, err := holder.Exec(t.Context(), "SELECT FROM outbox"); err != nil {
		t.Fatal(err)
	}
	writer := w.leaver() // and a long transaction that writes
	writer.leave(-1)
	c := w.outboxConsumer()
	const rows = 20_000
	w.exec("INSERT INTO outbox (org_id, application, event_type, payload) SELECT $1, 'acme', 'a', '{}' FROM generate_series(1, $2)", testOrg, rows)
	w.exec("ANALYZE outbox")
	for taken := 0; taken < rows; {
		taken += len(c.take(500))
	}
	for name, statements := range map[string][]string{
		"planned for the values":    {"SET LOCAL plan_cache_mode = force_custom_plan"},
		"planned for all values":    {"SET LOCAL plan_cache_mode = force_generic_plan"},
		"with dear look-ups":        {"SET LOCAL random_page_cost = 1000"},
		"without bitmaps":           {"SET LOCAL enable_bitmapscan = off", "SET LOCAL plan_cache_mode = force_generic_plan"},
		"without index-only scan":   {"SET LOCAL enable_indexonlyscan = off"},
		"analysed when it is empty": {"ANALYZE outbox"},
		"never analysed": {
			"DELETE FROM pg_statistic WHERE starelid = 'outbox'::regclass",
			"UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'outbox'::regclass",
		},
	} {
		tx := w.leaver()
		for _, statement := range statements {
			tx.do(statement)
		}
		whole, from := &blocks{DBTX: tx.Tx, t: t}, &blocks{DBTX: tx.Tx, t: t}
		for place, b := range map[core.OutboxPlace]*blocks{{}: whole, c.place: from} {
			if found, _, err := (reader{conn: b}).OutboxList(t.Context(), place, 500, 1<<20); err != nil || len(found) > 0 {
				t.Errorf("%s: found %d messages, %v", name, len(found), err)
			}
		}
		t.Logf("%s: from the start %d blocks, from its place %d", name, whole.read, from.read)
		if from.read > 20 || whole.read < 200 {
			t.Errorf("%s: it reads %d blocks, and the whole look %d; want up to 20, and 200 or more", name, from.read, whole.read)
		}
		rollback(t.Context(), tx.Tx)
	}
	writer.commit()
	if got := c.take(500); !slices.Equal(got, []string{`{"n":-1}`}) {
		t.Errorf("took %v when the long transaction had committed", got)
	}
}

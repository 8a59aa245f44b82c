package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// stateReader returns a reader whose statements no busy machine ends.
func (w *world) stateReader() *StateReader {
	r := NewStateReader(w.Store)
	r.limit, r.conns = time.Minute, w.pools.jobs.limited(2*time.Minute)
	return r
}

func TestStateLeaseIsOfOneProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, at := w.stateReader(), now()
	for i, step := range []struct {
		reader     string
		from, till int // seconds
		want       bool
	}{
		{"a", 0, 30, true},
		{"b", 10, 40, false},
		{"a", 15, 45, true}, // it goes on
		{"b", 44, 74, false},
		{"b", 45, 75, true}, // a is gone
		{"a", 60, 90, false},
		{"b", 61, 61, true}, // it stops
		{"a", 61, 91, true},
		{"b", -7200, -7170, true}, // the server's clock was set back
	} {
		got, err := r.StateLease(t.Context(), step.reader, at.Add(time.Duration(step.from)*time.Second), at.Add(time.Duration(step.till)*time.Second))
		if err != nil || got != step.want {
			t.Errorf("step %d, %+v: %v, %v", i, step, got, err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM state_reader"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// Two processes that start at once, on a table without a row.
func TestStateLeaseIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const processes = 4
	took := make(chan bool, processes)
	for n := range processes {
		go func() {
			leased, err := w.stateReader().StateLease(t.Context(), fmt.Sprint(n), now(), now().Add(time.Minute))
			took <- leased && err == nil
		}()
	}
	readers := 0
	for range processes {
		if <-took {
			readers++
		}
	}
	if readers != 1 {
		t.Errorf("%d processes read the state", readers)
	}
}

func (w *world) wantOwed(want map[core.QueueKind]int64) {
	w.t.Helper()
	owed, err := w.stateReader().StateOwed(w.t.Context(), now())
	if err != nil || !maps.Equal(owed, want) {
		w.t.Errorf("owed %v, %v; want %v", owed, err, want)
	}
}

func TestStateCountsWhatIsOwedByQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wantOwed(map[core.QueueKind]int64{core.QueueFirst: 0, core.QueueRetry: 0, core.QueueOrdered: 0, core.QueueBehind: 0})
	w.oweSome()
	w.oweRows("ep_more", owedRow{"leased", 1, time.Minute}, owedRow{"leased", 2, time.Minute})
	want := map[core.QueueKind]int64{core.QueueFirst: 5, core.QueueRetry: 5, core.QueueOrdered: 2, core.QueueBehind: 1}
	w.wantOwed(want)
	w.take(core.Room{LeasedUntil: now().Add(time.Minute)}, now()) // moves the position, and makes the fresh one wait
	w.wantOwed(want)
	w.oweRows("ep_more", owedRow{"fresh", 0, 0})
	want[core.QueueFirst]++
	w.wantOwed(want)
	w.exec("UPDATE delivery_position SET snapshot = '9000000000:9000000000:'") // of another cluster
	w.wantOwed(want)
}

func TestStateFindsTheOldestDeliveryThatCouldBeMade(t *testing.T) {
	t.Parallel()
	type endpoint struct {
		set  string // of the row
		rows []owedRow
	}
	for name, c := range map[string]struct {
		endpoints []endpoint
		want      time.Duration // 0: none
	}{
		"nothing owed":          {nil, 0},
		"nothing due":           {[]endpoint{{"", []owedRow{{"waiting", 1, time.Hour}, {"leased", 0, time.Minute}}}}, 0},
		"a fresh one":           {[]endpoint{{"", []owedRow{{"fresh", 0, -time.Minute}}}}, time.Minute},
		"one whose lease ended": {[]endpoint{{"", []owedRow{{"leased", 0, -time.Minute}}}}, time.Minute},
		"the oldest of all queues": {[]endpoint{
			{"", []owedRow{{"waiting", 0, -time.Minute}, {"waiting", 0, -2 * time.Minute}}},
			{"", []owedRow{{"waiting", 1, -5 * time.Minute}, {"fresh", 0, -time.Second}}},
			{"", []owedRow{{"waiting", 1, -3 * time.Minute}}},
		}, 5 * time.Minute},
		"paused, probed, disabled and deleted endpoints": {[]endpoint{
			{"paused_at = now(), paused_until = now() + interval '1 hour'", []owedRow{{"waiting", 0, -time.Hour}}},
			{"paused_at = now(), paused_until = now() - interval '1 s'", []owedRow{{"waiting", 1, -time.Hour}}},
			{"disabled = true", []owedRow{{"waiting", 1, -time.Hour}}},
			{"deleted_at = now()", []owedRow{{"waiting", 1, -time.Hour}}},
			{"", []owedRow{{"waiting", 0, -time.Minute}}},
		}, time.Minute},
		"a rate in use": {[]endpoint{{"throttle_rate = 1, throttled_until = now() - interval '1 s'", []owedRow{{"waiting", 0, -time.Hour}}}}, 0},
		"a rate that nobody serves": {[]endpoint{
			{"throttle_rate = 1, throttled_until = now() - interval '1 hour'", []owedRow{{"waiting", 0, -time.Minute}}},
		}, time.Minute},
		"behind another one of its lane": {[]endpoint{{"", []owedRow{{"waiting", 3, -time.Hour}}}}, 0},
		"in order":                       {[]endpoint{{"fifo = true", []owedRow{{"waiting", 2, -time.Minute}}}}, time.Minute},
		"in order, behind a leased one":  {[]endpoint{{"fifo = true", []owedRow{{"leased", 2, time.Minute}, {"waiting", 2, -time.Hour}}}}, 0},
		"in order, behind a retry":       {[]endpoint{{"fifo = true", []owedRow{{"waiting", 2, time.Minute}, {"waiting", 2, -time.Hour}}}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, e := range c.endpoints {
				id := w.addEndpoint(nil).ID
				if e.set != "" {
					w.exec("UPDATE endpoint SET "+e.set+" WHERE id = $1", id)
				}
				for n, row := range e.rows {
					w.oweRows(id, row)
					w.exec("UPDATE delivery SET seq = seq + $2::int WHERE endpoint_id = $1 AND seq = 1", id, 10*(n+1))
				}
			}
			w.wantOldestDue(c.want)
			w.exec("UPDATE application SET throttle_rate = 1, throttled_until = now()")
			if c.endpoints != nil && c.want > 0 && c.endpoints[0].rows[0].state == "waiting" && len(c.endpoints) == 1 {
				w.wantOldestDue(0)
			}
		})
	}
}

// wantOldestDue compares the age of the oldest due delivery, to half a minute.
func (w *world) wantOldestDue(want time.Duration) {
	w.t.Helper()
	due, err := w.stateReader().StateOldestDue(w.t.Context(), now())
	if err != nil || due.IsZero() != (want == 0) || want > 0 && (now().Sub(due)-want).Abs() > 30*time.Second {
		w.t.Errorf("due since %s, %v; want %s ago", due, err, want)
	}
}

func TestStateCountsEndpointsByState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, set := range []string{
		"", "", "", "failing_since = now()", "failing_since = now(), failures = 9, paused_at = now(), paused_until = now()",
		"paused_at = now(), paused_until = now()", "disabled = true", "disabled = true, failing_since = now()",
		"disabled = true, deleted_at = now()",
	} {
		id := w.addEndpoint(nil).ID
		if set != "" {
			w.exec("UPDATE endpoint SET "+set+" WHERE id = $1", id)
		}
	}
	want := core.EndpointStates{Enabled: 3, Failing: 1, Paused: 2, Disabled: 2}
	r := w.stateReader()
	for range 2 {
		if got, all, err := r.StateEndpoints(t.Context()); err != nil || !all || got != want {
			t.Errorf("%+v, %v, %v; want %+v", got, all, err, want)
		}
	}
	pages := 1
	for ended, err := r.countEndpoints(t.Context(), 2); !ended; ended, err = r.countEndpoints(t.Context(), 2) {
		if pages++; err != nil || pages > 9 {
			t.Fatalf("page %d: %v", pages, err)
		}
	}
	if r.counted != want || pages != 5 {
		t.Errorf("%+v in %d pages, want %+v", r.counted, pages, want)
	}
}

func TestStateCountsTheOutboxAndItsDeadLetters(t *testing.T) {
	t.Parallel()
	w, admin := rolesWorld(t)
	admin.exec("INSERT INTO outbox (application, event_type, payload) SELECT 'a', 'a', '{}' FROM generate_series(1, 3)")
	admin.exec(`INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at)
		SELECT n, 'org_a', 'a', 'a', '{}', now(), 'no such application', now() FROM generate_series(1, 2) AS n`)
	got, err := w.stateReader().StateOutbox(t.Context())
	if want := (core.OutboxState{Rows: 3, DeadLetters: 2}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// A reader goes on at the first row that is left, and misses none of a transaction that commits late.
func TestStateCountsTheOutboxFromTheFirstRowThatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.stateReader()
	const insert = "INSERT INTO outbox (application, event_type, payload) SELECT 'a', 'a', '{}' FROM generate_series(1, 2)"
	want := func(rows int64) {
		t.Helper()
		if got, err := r.StateOutbox(t.Context()); err != nil || got.Rows != rows {
			t.Errorf("%+v, %v; want %d rows", got, err, rows)
		}
	}
	late := w.begin()
	if _, err := late.Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	want(0)
	w.exec(insert)
	want(2)
	w.exec("DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox)")
	want(1)
	w.exec("DELETE FROM outbox")
	want(0)
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(2)
	since := r.outboxSince
	w.exec("DELETE FROM outbox")
	w.await("the next call begins later", func() bool { // once transactions of other tests have ended
		want(0)
		return r.outboxSince > since
	})
}

// TestStateReadsABoundedNumberOfRows keeps the statements from reading whole tables, whatever statistics say.
func TestStateReadsABoundedNumberOfRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq, state)
		SELECT 'app_' || n % 2000, 'msg_' || n, 'ep_' || n % 5000, now() - n * interval '1 ms', 0, CASE WHEN n % 10 = 5 THEN 0 ELSE n % 4 END, n,
			CASE WHEN n % 10 = 5 THEN 'fresh' WHEN n % 100 = 1 THEN 'leased' ELSE 'waiting' END
		FROM generate_series(1, 30000) AS n`)
	w.exec("INSERT INTO outbox (application, event_type, payload) SELECT 'a', 'a', '{}' FROM generate_series(1, 5000)")
	w.exec(`INSERT INTO outbox_dead_letter (id, org_id, application, event_type, payload, created_at, reason, refused_at)
		SELECT n, 'org_a', 'a', 'a', '{}', now(), '', now() FROM generate_series(1, 5000) AS n`)
	w.exec(`INSERT INTO application (org_id, id, name, metadata, created_at, updated_at)
		SELECT 'org_a', 'app_' || n, '', '{}', now(), now() FROM generate_series(0, 1999) AS n`)
	w.exec(`INSERT INTO endpoint (app_id, id, url, description, version, disabled, secret, headers, metadata, created_at, updated_at)
		SELECT 'app_' || n % 2000, 'ep_' || n, 'https://hooks.example/', '', 1, false, '\x00', '{}', '{}', now(), now()
		FROM generate_series(1, 5000) AS n`)
	w.exec("ANALYZE delivery, outbox, endpoint, outbox_dead_letter")
	const most = 100
	for _, statistics := range append([]string{asTheyAre}, forcedStatistics...) {
		if statistics != asTheyAre {
			(&seeded{Store: w.Store}).force(t, statistics)
		}
		for name, c := range map[string]struct {
			run  func(db.DBTX) error
			want float64 // rows
		}{
			"owed": {func(conn db.DBTX) error {
				_, err := queries.StateOwedAnyTenant(t.Context(), conn, db.StateOwedAnyTenantParams{Most: most, Now: now()})
				return err
			}, 6*most + 10}, // four queues, the leased and the fresh ones
			"oldest": {func(conn db.DBTX) error {
				_, err := queries.StateOldestDueAnyTenant(t.Context(), conn, db.StateOldestDueAnyTenantParams{MaxQueues: most, Now: now(), PacedSince: now()})
				return err
			}, 4*most + 10}, // a delivery, and at most an endpoint, an application, and the first in order
			"outbox": {func(conn db.DBTX) error {
				_, err := queries.StateOutboxAnyTenant(t.Context(), conn, db.StateOutboxAnyTenantParams{Most: most})
				return err
			}, 2*most + 1},
			"endpoints": {func(conn db.DBTX) error {
				_, err := queries.StateEndpointsAnyTenant(t.Context(), conn, db.StateEndpointsAnyTenantParams{Most: most})
				return err
			}, most},
		} {
			if rows := w.stateRows(c.run); rows > c.want || rows < most {
				t.Errorf("%s, %s: reads %.0f rows, want %d to %.0f", name, statistics, rows, most, c.want)
			}
		}
	}
}

// stateRows returns how many rows of tables a statement reads.
func (w *world) stateRows(run func(db.DBTX) error) (rows float64) {
	w.t.Helper()
	conn := &explained{DBTX: w.pool}
	if err := run(conn); err != nil {
		w.t.Fatal(err)
	}
	for _, plan := range conn.plans {
		var plans []struct{ Plan planNode }
		if err := json.Unmarshal([]byte(plan), &plans); err != nil {
			w.t.Fatal(err)
		}
		rows += plans[0].Plan.read(map[string]string{})
	}
	return rows
}

// What cannot be read in time is given up by Postgres, and keeps nothing else from being read.
func TestStateGivesUpWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	locked := w.begin()
	defer rollback(t.Context(), locked)
	if _, err := locked.Exec(t.Context(), "LOCK TABLE delivery"); err != nil {
		t.Fatal(err)
	}
	r := w.stateReader()
	r.limit = 50 * time.Millisecond
	if owed, err := r.StateOwed(t.Context(), now()); err == nil || sqlState(err) != "57014" {
		t.Errorf("owed: %v, %v", owed, err)
	}
	r.limit = time.Minute
	if _, err := r.StateOutbox(t.Context()); err != nil {
		t.Errorf("outbox: %v", err)
	}
	if timeout := value[string](w, "SHOW statement_timeout"); timeout != "0" {
		t.Errorf("the timeout of other statements is %s", timeout)
	}
}

// TestStateReadsNoDeadLeasesTwice holds a snapshot, which keeps what each delivery leaves behind.
func TestStateReadsNoDeadLeasesTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := w.begin()
	if _, err := held.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, state)
		SELECT $1, 'msg_' || n, 'ep_1', now() - interval '1 hour' - n * interval '1 ms', 1, 'leased' FROM generate_series(1, 20000) AS n`, w.app.ID)
	w.exec("DELETE FROM delivery")
	w.oweRows("ep_1", owedRow{"leased", 0, -20 * time.Minute}, owedRow{"leased", 1, time.Minute})
	r := w.stateReader()
	buffers := func() int {
		conn := &blocks{DBTX: w.pool, t: t}
		if _, err := queries.StateOwedAnyTenant(t.Context(), conn, db.StateOwedAnyTenantParams{Most: 100, Now: now(), LeasedSince: r.leasedSince}); err != nil {
			t.Fatal(err)
		}
		return conn.read
	}
	first := buffers()
	for range 3 {
		owed, err := r.StateOwed(t.Context(), now())
		if err != nil || owed[core.QueueFirst] != 1 || owed[core.QueueRetry] != 1 {
			t.Errorf("owed %v, %v", owed, err)
		}
		if due, err := r.StateOldestDue(t.Context(), now()); err != nil || now().Sub(due) < 19*time.Minute {
			t.Errorf("due since %s, %v", due, err)
		}
		if later := buffers(); later > first/10 {
			t.Errorf("%d buffers at first, %d later", first, later)
		}
	}
}

package store

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// newCells returns two Postriders that share a database, each with an application of the same organisation and uid.
func newCells(t *testing.T) (a, b *world) {
	t.Helper()
	url := empty.New(t)
	a, b = newCell(t, Database{URL: url, Schema: "cell_a"}), newCell(t, Database{URL: url, Schema: "cell_b"})
	a.app, b.app = a.addApplication(testOrg, "acme"), b.addApplication(testOrg, "acme")
	return a, b
}

// newCell returns a Postrider without applications.
func newCell(t *testing.T, d Database) *world {
	t.Helper()
	if err := Migrate(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Database: d, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{Store: s, t: t}
	for _, p := range core.PartitionsAround(now()) {
		if _, err := w.PartitionCreate(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	w.sweep(now())
	return w
}

// listening is a connection that hears what the workers of a cell hear.
func (w *world) listening() *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.ConnectConfig(w.t.Context(), w.pool.Config().ConnConfig)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { closeConn(context.WithoutCancel(w.t.Context()), conn) })
	if err := startListening(w.t.Context(), conn, statementTimeout); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// announceAll does everything that workers are told of.
func (w *world) announceAll() {
	w.t.Helper()
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	w.resend(id, e.ID)
	w.exec("DELETE FROM delivery")
	w.in(func(ctx context.Context, tx core.Tx) error {
		if err := tx.DeliveryInsert(ctx, w.app.ID, id, e.ID, now()); err != nil {
			return err
		}
		return tx.EndpointUpdate(ctx, e)
	})
	w.exec("DELETE FROM delivery")
	w.addWatcher(testOrg)
	w.tellOf("one subject", "1", "2")
	for _, d := range w.claim(room()) {
		w.record(ends(d, core.StatusSuccess, time.Time{}))
	}
	replayed := core.MessageRange{Before: "~", Limit: 10}
	w.exec("DELETE FROM attempt")
	w.in(func(ctx context.Context, tx core.Tx) error {
		batch, err := tx.DeliveryReplayMissingMany(ctx, w.app.ID, e.ID, replayed, now())
		if batch.Done != 1 {
			w.t.Errorf("%d messages were replayed, want 1", batch.Done)
		}
		return err
	})
	w.announcer.close()
}

func TestWorkersHearNothingOfAnotherCell(t *testing.T) {
	t.Parallel()
	a, b := newCells(t)
	heardInA, heardInB := a.listening(), b.listening()
	a.announceAll()
	for end, w := range map[string]*world{"the end of a": a, "the end of b": b} {
		if _, err := queries.DeliveryRecall(t.Context(), w.pool, end); err != nil {
			t.Fatal(err)
		}
	}
	// Notifications arrive in the order of their commits.
	if first, err := heardInB.WaitForNotification(t.Context()); err != nil || first.Payload != "the end of b" {
		t.Errorf("heard in another cell: %+v, %v", first, err)
	}
	var heard []string
	for !slices.Contains(heard, "the end of a") {
		n, err := heardInA.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, n.Payload)
	}
	if want := 6; len(heard) < want {
		t.Errorf("%d notifications arrived in their own cell, want at least %d: %q", len(heard), want, heard)
	}
}

func TestCellsClaimOnlyTheirOwnDeliveries(t *testing.T) {
	t.Parallel()
	a, b := newCells(t)
	cells := map[string]*world{"a": a, "b": b}
	endpoints, sent := map[string]core.Endpoint{}, map[string][]core.MessageID{}
	for name, w := range cells {
		endpoints[name] = w.addEndpoint(func(e *core.Endpoint) { e.URL = "http://" + name + ".test/" })
		sent[name] = append(w.store(2), w.send(2)...)
	}
	for name, w := range cells {
		var got []core.MessageID
		for _, d := range w.claim(room()) {
			if d.URL != endpoints[name].URL {
				t.Errorf("cell %s claimed a delivery to %s", name, d.URL)
			}
			got = append(got, d.MessageID)
		}
		slices.Sort(got)
		if slices.Sort(sent[name]); !slices.Equal(got, sent[name]) {
			t.Errorf("cell %s claimed %v, want %v", name, got, sent[name])
		}
	}
	if _, err := b.MessageGet(t.Context(), a.app.ID, string(sent["a"][0])); !core.IsKind(err, core.KindNotFound) {
		t.Errorf("a message of the other cell: %v", err)
	}
	if _, err := b.EndpointGet(t.Context(), a.app.ID, string(endpoints["a"].ID)); !core.IsKind(err, core.KindNotFound) {
		t.Errorf("an endpoint of the other cell: %v", err)
	}
}

// TestLocksOfOneCellKeepNoOtherWaiting takes each advisory lock of one cell and works in the other one, where a
// statement that waits fails after its lock timeout.
func TestLocksOfOneCellKeepNoOtherWaiting(t *testing.T) {
	t.Parallel()
	a, b := newCells(t)
	late := core.MessagePartition(now().AddDate(1, 0, 0))
	e := a.addEndpoint(nil)
	// The same ids in both cells, which has to be made by hand: ids are unique.
	b.exec("UPDATE application SET id = $1", a.app.ID)
	ctx := t.Context()
	for name, lock := range map[string]func(conn db.DBTX) (taken bool, err error){
		"partitions": func(conn db.DBTX) (bool, error) {
			return queries.PartitionCreateAnyTenant(ctx, conn, db.PartitionCreateAnyTenantParams{
				Parent: late.Table, Suffix: late.Suffix, LowerID: late.From, UpperID: late.To,
			})
		},
		"statistics": func(conn db.DBTX) (bool, error) { return queries.PartitionStatisticsLockAnyTenant(ctx, conn) },
		"counts": func(conn db.DBTX) (bool, error) {
			return queries.AttemptCountTryLock(ctx, conn, db.AttemptCountTryLockParams{AppID: string(a.app.ID), EndpointID: string(e.ID)})
		},
		"event types": func(conn db.DBTX) (bool, error) {
			_, err := queries.EventTypeImportLock(ctx, conn, string(testOrg))
			return true, err
		},
		"endpoints": func(conn db.DBTX) (bool, error) {
			_, err := queries.EndpointInsertLock(ctx, conn, string(a.app.ID))
			return true, err
		},
	} {
		held, other := a.begin(), b.begin()
		if _, err := other.Exec(ctx, "SET LOCAL lock_timeout = '1s'"); err != nil {
			t.Fatal(err)
		}
		for cell, conn := range map[int]pgx.Tx{1: held, 2: other} {
			if taken, err := lock(conn); err != nil || !taken {
				t.Errorf("%s, cell %d: %t, %v", name, cell, taken, err)
			}
		}
		if err := other.Rollback(ctx); err != nil {
			t.Error(err)
		}
		if err := held.Rollback(ctx); err != nil {
			t.Error(err)
		}
	}
}

// TestJobsOfTwoCellsGoOnSideBySide gives both cells the same work. Each does its own, and dropping a week in one of them
// leaves it in the other.
func TestJobsOfTwoCellsGoOnSideBySide(t *testing.T) {
	t.Parallel()
	a, b := newCells(t)
	week := core.MessagePartition(now())
	messages := map[*world]core.MessageID{}
	for _, w := range []*world{a, b} {
		messages[w] = w.store(1)[0]
		e := w.addEndpoint(nil)
		in := core.PeriodIn{Since: past()}
		if _, err := w.service().EndpointReplayMissing(t.Context(), orgScope, string(w.app.ID), string(e.ID), in); err != nil {
			t.Fatal(err)
		}
		w.addWatcher(testOrg)
		w.tell(testOrg, `{"of": "`+string(w.app.ID)+`"}`)
	}
	for _, w := range []*world{a, b} {
		w.steps(w.tasks())
		w.stepEvents(w.tasks())
		if analyzed, err := w.PartitionAnalyze(t.Context(), now()); err != nil || !analyzed {
			t.Errorf("statistics: %t, %v", analyzed, err)
		}
	}
	for _, w := range []*world{a, b} {
		owed := value[int](w, "SELECT count(*) FROM delivery")
		running := value[int](w, "SELECT count(*) FROM background_task WHERE status = 'running'")
		if owed != 3 || running != 0 {
			t.Errorf("%d deliveries are owed, want a replayed message and two operational webhooks; %d tasks run", owed, running)
		}
	}
	a.exec("DROP TABLE message_" + week.Suffix)
	if _, err := b.MessageGet(t.Context(), b.app.ID, string(messages[b])); err != nil {
		t.Errorf("after the other cell dropped the week: %v", err)
	}
	if made, err := a.PartitionCreate(t.Context(), week); err != nil || !made {
		t.Errorf("the dropped week is made again: %t, %v", made, err)
	}
}

func TestCellsAreMigratedApart(t *testing.T) {
	t.Parallel()
	a, b := newCells(t)
	d := Database{URL: a.pool.Config().ConnString(), Schema: "cell_a"}
	all, err := MigrateStatus(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for range all {
		if err := MigrateDown(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	b.addEndpoint(nil)
	if b.send(1); len(b.claim(room())) != 1 {
		t.Error("the other cell does not deliver while one is taken back")
	}
	if err := Migrate(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// TestStatementsNameTheirCell: channels and advisory locks are those of a database, whatever the search_path.
func TestStatementsNameTheirCell(t *testing.T) {
	t.Parallel()
	calls := 0
	eachQuery(t, func(file, name string, statement []string) {
		text := strings.Join(statement, "\n")
		for _, call := range strings.Split(text, "pg_notify(")[1:] {
			if calls++; !strings.HasPrefix(call, "format('%s_delivery', current_schema()), ") {
				t.Errorf("%s of queries/%s notifies the channel %.40s", name, file, call)
			}
		}
		if strings.Contains(text, "advisory") && !strings.Contains(text, "current_schema()") && !strings.HasPrefix(name, "MigrateLock") {
			t.Errorf("%s of queries/%s takes a lock of the whole database", name, file)
		}
	})
	if calls < 8 {
		t.Errorf("%d notifications, there were 8", calls)
	}
}

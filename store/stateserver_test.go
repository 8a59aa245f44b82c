package store

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

func (w *world) wantServer(check func(core.ServerState) bool) {
	w.t.Helper()
	state, err := w.stateReader().StateServer(w.t.Context(), now())
	if err != nil || !check(state) {
		w.t.Errorf("%+v, %v", state, err)
	}
}

func TestStateTellsUntilWhenThereArePartitions(t *testing.T) {
	t.Parallel()
	w := &world{Store: openStore(t, bare.New(t), nil), t: t}
	w.wantServer(func(s core.ServerState) bool { return s.MessagesUntil.IsZero() && s.AttemptsUntil.IsZero() })
	at := now()
	make := func(weeks int) {
		for _, p := range []core.Partition{core.MessagePartition(at.AddDate(0, 0, 7*weeks)), core.AttemptPartition(at.AddDate(0, 0, 7*weeks))} {
			if _, err := w.PartitionCreate(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
	}
	monday := at.Truncate(7 * 24 * time.Hour)
	make(-1)
	make(1) // after a gap
	w.wantServer(func(s core.ServerState) bool { return s.MessagesUntil.IsZero() && s.AttemptsUntil.IsZero() })
	make(0)
	make(52) // of a wrong clock
	want := monday.AddDate(0, 0, 14)
	w.wantServer(func(s core.ServerState) bool { return s.MessagesUntil.Equal(want) && s.AttemptsUntil.Equal(want) })
}

// TestStateTellsSinceWhenVacuumIsHeld holds a snapshot as another role, which the service's own role cannot see.
func TestStateTellsSinceWhenVacuumIsHeld(t *testing.T) {
	t.Parallel()
	w, admin := rolesWorld(t)
	w.wantServer(func(s core.ServerState) bool { return s.HeldKnown && s.HeldSince.IsZero() })

	open := func(options pgx.TxOptions, sql string) (since time.Time) {
		tx, err := admin.pool.BeginTx(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { rollback(t.Context(), tx) })
		if err := tx.QueryRow(t.Context(), "SELECT now()").Scan(&since); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		return since
	}
	open(pgx.TxOptions{}, "SELECT 1") // holds nothing
	w.wantServer(func(s core.ServerState) bool { return s.HeldKnown && s.HeldSince.IsZero() })
	snapshot := open(pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, "SELECT 1")
	w.wantServer(func(s core.ServerState) bool { return s.HeldKnown && s.HeldSince.Equal(snapshot) })
	open(pgx.TxOptions{}, "SELECT pg_current_xact_id()") // a later one
	w.wantServer(func(s core.ServerState) bool { return s.HeldKnown && s.HeldSince.Equal(snapshot) })

	admin.exec("ALTER FUNCTION vacuum_held() OWNER TO postrider_readonly") // which sees its own transactions alone
	w.wantServer(func(s core.ServerState) bool { return !s.HeldKnown })
}

func TestStateTellsSinceWhenAPreparedTransactionHoldsVacuum(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("CREATE TABLE prepared (n int)")
	tx := w.begin()
	name := "'" + rand.Text() + "'"
	for _, sql := range []string{"INSERT INTO prepared VALUES (1)", "PREPARE TRANSACTION " + name} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	defer w.exec("ROLLBACK PREPARED " + name)
	since := value[time.Time](w, "SELECT prepared FROM pg_prepared_xacts WHERE gid = "+name)
	w.wantServer(func(s core.ServerState) bool { return s.HeldSince.Equal(since) })
}

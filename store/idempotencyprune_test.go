package store

import (
	"testing"

	"github.com/postrider/postrider/core"
)

// addKeys adds keys to both tables, in several slices, some older than 12 hours and some younger.
func (w *world) addKeys(old, young int) {
	w.t.Helper()
	for _, add := range []string{
		"INSERT INTO idempotency_key SELECT 'org_test', sha256(('a' || n)::bytea), 201, '{}', now() - CASE WHEN n <= $1 THEN interval '12 hours' ELSE interval '11 hours' END FROM generate_series(1, $1::int + $2::int) n",
		"INSERT INTO message_key SELECT 'app_1', sha256(('a' || n)::bytea), 'msg_1', now() - CASE WHEN n <= $1 THEN interval '12 hours' ELSE interval '11 hours' END FROM generate_series(1, $1::int + $2::int) n",
	} {
		w.exec(add, old, young)
	}
}

func TestOldKeysAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const old, young = 30_000, 100
	w.addKeys(old, young)
	pages, err := queries.TablePagesAnyTenant(t.Context(), w.pool, "message_key")
	if err != nil || pages < 2*prunePages {
		t.Fatalf("%d pages, %v: they are too few for this test", pages, err)
	}
	deleted, err := w.IdempotencyPrune(t.Context(), now().Add(-core.IdempotencyLifetime))
	if err != nil || deleted != 2*old {
		t.Errorf("deleted %d, %v; want %d", deleted, err, 2*old)
	}
	for _, table := range []string{"idempotency_key", "message_key"} {
		if n := value[int](w, "SELECT count(*) FROM "+table); n != young {
			t.Errorf("%d are left in %s, want %d", n, table, young)
		}
	}
}

func TestForgettingWaitsForNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addKeys(2, 0)
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(t.Context(), tx)
	for _, table := range []string{"idempotency_key", "message_key"} {
		if _, err := tx.Exec(t.Context(), "SELECT FROM "+table+" LIMIT 1 FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
	}
	if deleted, err := w.IdempotencyPrune(t.Context(), now()); err != nil || deleted != 2 {
		t.Errorf("deleted %d, %v; want the 2 that nobody holds", deleted, err)
	}
}

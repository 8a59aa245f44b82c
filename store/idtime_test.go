package store

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// TestIDTimeIsTheSameInSQL compares the functions for DBAs with core's.
func TestIDTimeIsTheSameInSQL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := []time.Time{time.Unix(0, 0), time.Unix(1_400_000_000, 0), time.Unix(1_400_000_000+1<<32-1, 999_999_000), now()}
	for range 1000 {
		at = append(at, time.Unix(1_400_000_000+rand.Int64N(1<<32), rand.Int64N(1_000_000)*1000))
	}
	var ids, floors []string
	var times []time.Time
	for _, at := range at {
		id := core.NewMessageID(at)
		made, err := id.Time()
		if err != nil {
			t.Fatal(err)
		}
		ids, times, floors = append(ids, string(id)), append(times, made), append(floors, string(core.AttemptIDAt(at)))
	}
	rows, err := w.pool.Query(t.Context(), `
		SELECT id, at, id_time(id), time, id_floor('atmpt_', at), floor
		FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[]) AS want (id, time, floor, at)`, ids, times, floors, at)
	if err != nil {
		t.Fatal(err)
	}
	var id, floor, wantFloor string
	var made time.Time
	var gotTime, wantTime time.Time
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &made, &gotTime, &wantTime, &floor, &wantFloor}, func() error {
		n++
		if !gotTime.Equal(wantTime) {
			t.Errorf("%s is of %s, want %s", id, gotTime, wantTime)
		}
		if floor != wantFloor {
			t.Errorf("the lowest id of %s is %s, want %s", made, floor, wantFloor)
		}
		return nil
	})
	if err != nil || n != len(at) {
		t.Errorf("%d rows, want %d: %v", n, len(at), err)
	}
}

func TestIDTimeOfOtherTextIsNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"", "msg_", "msg_1", "org_test", "msg_23rb8YdGqMT0qIzpgGwdXfHir-u", "msg_23rb8YdGqMT0qIzpgGwdXfHirMuX"} {
		if got := value[*time.Time](w, "SELECT id_time($1)", id); got != nil {
			t.Errorf("%q is of %s", id, got)
		}
	}
}

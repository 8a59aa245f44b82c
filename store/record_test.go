package store

import (
	"context"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestAFailedAttemptIsDueAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(1)
	d := w.claim(room())[0]
	next := now().Add(time.Minute)
	r := result(d, next)
	for range 2 { // as when the response to the first one was lost
		if !w.record(r) {
			t.Error("a result was not taken")
		}
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE attempts = 1 AND due_at = $1", next); n != 1 {
		t.Error("the delivery is not due at the next time with one attempt")
	}
	if n := value[int](w, "SELECT count(*) FROM attempt"); n != 1 {
		t.Errorf("%d attempts are written down", n)
	}
	if since := value[*time.Time](w, "SELECT failing_since FROM endpoint WHERE id = $1", e.ID); since == nil {
		t.Error("the endpoint is not failing")
	}
	deliveries := w.claimAt(room(), next).Deliveries
	if len(deliveries) != 1 || deliveries[0].Attempts != 1 {
		t.Fatalf("claimed at the next time: %+v", deliveries)
	}
	w.record(result(deliveries[0], time.Time{}))
	if since := value[*time.Time](w, "SELECT failing_since FROM endpoint WHERE id = $1", e.ID); since != nil {
		t.Error("the endpoint is failing after a success")
	}
	if n := value[int](w, "SELECT count(*) FROM delivery"); n != 0 {
		t.Error("a delivery that arrived is still owed")
	}
}

func TestRecordingDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	d := w.claim(room())[0]
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(context.Background(), tx)
	for name, record := range map[string]func([]core.Result) error{
		"record": func(results []core.Result) error {
			_, err := queries.DeliveryRecordMany(t.Context(), tx, recordParams(results, testRules, now()))
			return err
		},
		"finish": func(results []core.Result) error {
			_, err := finish(t.Context(), tx, results)
			return err
		},
	} {
		if _, err := tx.Exec(t.Context(), "SET LOCAL synchronous_commit = on"); err != nil {
			t.Fatal(err)
		}
		if err := record([]core.Result{result(d, time.Time{})}); err != nil {
			t.Fatal(err)
		}
		var setting string
		if err := tx.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting); err != nil || setting != "off" {
			t.Errorf("%s: synchronous_commit is %q, %v", name, setting, err)
		}
	}
}

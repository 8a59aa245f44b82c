package store

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// TestTaskClaimReadsOneTask: a claim and a look read as many rows as they return, however many tasks are waiting or
// have ended, and whatever the statistics say.
func TestTaskClaimReadsOneTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("ANALYZE background_task") // empty
	other := w.addApplication("org_other", "other")
	w.addReplays(other, 1)
	ended := w.addReplays(w.app, 3_000)
	w.exec("UPDATE background_task SET status = 'finished' WHERE id = ANY ($1)", ended)
	running := w.addReplays(w.app, 3_000)
	place := core.TaskPlace{OrgID: testOrg, ID: string(w.app.ID)}
	for name, statistics := range map[string]string{
		"of an empty table": "SELECT 1", "as they are": "ANALYZE background_task",
		"of a table with one row": "UPDATE pg_class SET relpages = 1, reltuples = 1 WHERE relname LIKE 'background_task%'",
	} {
		w.exec(statistics)
		for what, read := range map[string]func(tx) error{
			"a claim": func(t tx) error {
				task, err := t.BackgroundTaskClaim(w.t.Context(), place, running[1_500], now())
				if err == nil && task.ID == "" {
					err = core.NotFound()
				}
				return err
			},
			"a look": func(t tx) error {
				places, next, err := t.BackgroundTaskPlaceList(w.t.Context(), "", 10, now())
				if err == nil && (len(places) != 2 || next != "") {
					err = fmt.Errorf("found %v, then %q", places, next)
				}
				return err
			},
		} {
			if rows := w.rowsRead(read); rows > 20 {
				t.Errorf("%s with statistics %s reads %.0f rows", what, name, rows)
			}
		}
	}
}

// rowsRead returns how many rows one statement reads according to its plan.
func (w *world) rowsRead(read func(tx) error) float64 {
	w.t.Helper()
	under, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer rollback(w.t.Context(), under)
	e := &explained{DBTX: under}
	if err := read(tx{reader{conn: e}}); err != nil {
		w.t.Fatal(err)
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(e.plans[0]), &plans); err != nil {
		w.t.Fatal(err)
	}
	return plans[0].Plan.touched()
}

// touched returns how many rows this node and the nodes below it read from tables.
func (n planNode) touched() float64 {
	rows := 0.0
	if n.Relation != "" {
		rows = (n.Rows + n.Removed) * n.Loops
	}
	for _, child := range n.Plans {
		rows += child.touched()
	}
	return rows
}

// A step that adds no index entry leaves none that others have to pass while a transaction holds a snapshot.
func TestTaskStepUpdatesItsRowInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.recovers(e, past())
	at := now()
	if err := transact(t.Context(), w.pool, func(under pgx.Tx) error {
		unit := tx{reader{conn: under}}
		task, err := unit.BackgroundTaskClaim(t.Context(), core.TaskPlace{OrgID: testOrg, ID: string(w.app.ID)}, "", at)
		if err != nil {
			return err
		}
		task.Cursor, task.Processed, task.UpdatedAt = "msg_1", 500, at.Add(time.Second)
		if err := unit.BackgroundTaskUpdate(t.Context(), task); err != nil {
			return err
		}
		var inPlace int
		if err := under.QueryRow(t.Context(), "SELECT pg_stat_get_xact_tuples_hot_updated('background_task'::regclass)").Scan(&inPlace); err != nil {
			return err
		}
		if inPlace != 1 {
			t.Errorf("%d rows were updated in place", inPlace)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A held snapshot keeps ended tasks. A place's claims begin at its first task, not before all the ended ones.
func TestTaskTurnPassesEndedTasksSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addMessages(w.app.ID, 2_100, past())
	running := w.addReplays(w.app, 2)
	counted := &claims{Store: w.Store}
	began, turns := now(), new(core.TaskTurns)
	s := w.tasksOn(counted, func() time.Time { return began })
	for range 8 {
		if worked, err := s.BackgroundTaskStep(t.Context(), turns); !worked || err != nil {
			t.Fatal(worked, err)
		}
	}
	if counted.anew != 1 {
		t.Errorf("%d claims began before all tasks, want the first alone", counted.anew)
	}
	began = began.Add(time.Minute)
	w.exec("UPDATE background_task SET id = $2 WHERE id = $1", running[0], core.NewTaskID(now().AddDate(0, 0, -1)))
	for range 2 {
		if worked, err := s.BackgroundTaskStep(t.Context(), turns); !worked || err != nil {
			t.Fatal(worked, err)
		}
	}
	if counted.anew != 2 || w.steps(s) != 0 {
		t.Errorf("%d claims began before all tasks, and a task was left out", counted.anew)
	}
}

// claims counts the claims that begin before all tasks of their place.
type claims struct {
	*Store
	anew int
}

func (c *claims) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	return c.Store.InTx(ctx, func(ctx context.Context, t core.Tx) error { return work(ctx, claimsTx{t, c}) })
}

type claimsTx struct {
	core.Tx
	counted *claims
}

func (c claimsTx) BackgroundTaskClaim(ctx context.Context, place core.TaskPlace, after core.TaskID, now time.Time) (core.BackgroundTask, error) {
	if after == "" {
		c.counted.anew++
	}
	return c.Tx.BackgroundTaskClaim(ctx, place, after, now)
}

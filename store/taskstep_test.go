package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

var orgScope = core.Scope{OrgID: testOrg}

// past is when the messages of these tests were sent, unless a test says otherwise.
func past() time.Time { return now().Add(-time.Hour) }

// addMessages stores messages of one application that are owed to nobody, one every 5 ms.
func (w *world) addMessages(app core.AppID, n int, first time.Time) []core.MessageID {
	w.t.Helper()
	ids := make([]core.MessageID, n)
	for i := range ids {
		ids[i] = core.NewMessageID(first.Add(time.Duration(i) * 5 * time.Millisecond))
	}
	w.exec(`INSERT INTO message (app_id, id, event_type, payload, expires_at, created_at)
		SELECT $1, id, 'invoice.paid', '{}', now() + interval '1 day', now() FROM unnest($2::text[]) AS id`, app, ids)
	return ids
}

var attempted atomic.Int64 // calls of addAttempts

// addAttempts records one attempt at each of the messages.
func (w *world) addAttempts(e core.Endpoint, code int, ids ...core.MessageID) {
	w.t.Helper()
	status := core.StatusFail
	if code/100 == 2 {
		status = core.StatusSuccess
	}
	attempts := make([]core.AttemptID, len(ids))
	at := now().Add(time.Duration(attempted.Add(1)) * 5 * time.Millisecond) // after earlier ones
	for i := range ids {
		attempts[i] = core.NewAttemptID(at)
	}
	w.exec(`INSERT INTO attempt (app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at)
		SELECT $1, attempt, message, $2, '', $3, $4, '', 1, 0, now() FROM unnest($5::text[], $6::text[]) AS a(attempt, message)`,
		e.AppID, e.ID, status, code, attempts, ids)
}

// deliveries returns the deliveries owed to an endpoint, and whether each was requested manually.
func (w *world) deliveries(e core.Endpoint) map[core.MessageID]bool {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), "SELECT message_id, manual FROM delivery WHERE endpoint_id = $1", e.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	owed := map[core.MessageID]bool{}
	for rows.Next() {
		var id core.MessageID
		var manual bool
		if err := rows.Scan(&id, &manual); err != nil {
			w.t.Fatal(err)
		}
		owed[id] = manual
	}
	return owed
}

// steps runs steps until there are no more, and returns their number.
func (w *world) steps(s *core.Tasks) int {
	w.t.Helper()
	var turns core.TaskTurns
	for n := 0; ; n++ {
		worked, err := s.BackgroundTaskStep(w.t.Context(), &turns)
		if err != nil {
			w.t.Fatal(err)
		}
		if !worked {
			return n
		}
	}
}

func (w *world) task(id core.TaskID) core.BackgroundTask {
	w.t.Helper()
	task, err := w.BackgroundTaskGet(w.t.Context(), testOrg, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return task
}

// ended runs all steps of a task that has just begun and returns the ended task.
func (w *world) ended(task core.BackgroundTask, err error) core.BackgroundTask {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.steps(w.tasks())
	return w.task(task.ID)
}

func (w *world) recovers(e core.Endpoint, since time.Time) core.BackgroundTask {
	w.t.Helper()
	task, err := w.service().EndpointRecover(w.t.Context(), orgScope, string(w.app.ID), string(e.ID), core.PeriodIn{Since: since})
	if err != nil {
		w.t.Fatal(err)
	}
	return task
}

// wantSent checks that a task has finished and how many messages it processed and sent.
func (w *world) wantSent(task core.BackgroundTask, processed, sent int64) {
	w.t.Helper()
	data := task.Progress()
	if task.Status != core.TaskFinished || *data.MessagesProcessed != processed || *data.MessagesSent != sent {
		w.t.Errorf("%s %s: processed %d, sent %d %s; want %d and %d", task.Task, task.Status, *data.MessagesProcessed,
			*data.MessagesSent, data.Error, processed, sent)
	}
}

func TestRecoverOwesWhatFailedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	failed := w.addMessages(w.app.ID, 6, past())
	w.addAttempts(e, 500, failed...)
	w.addAttempts(e, 500, failed[0]) // and again
	w.addAttempts(e, 204, failed[1])
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.DeliveryInsert(ctx, w.app.ID, failed[2], e.ID, now())
	})
	w.exec("UPDATE message SET payload = NULL WHERE id = $1", failed[3])
	w.exec("UPDATE message SET expires_at = now() WHERE id = $1", failed[4])
	w.addAttempts(other, 500, w.addMessages(w.app.ID, 2, past())...)
	w.addMessages(w.app.ID, 2, past()) // never attempted
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 2, past().Add(-2*time.Hour))...)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 2, past().Add(10*time.Minute))...)

	until := past().Add(5 * time.Minute)
	period := core.PeriodIn{Since: past().Add(-time.Minute), Until: &until}
	task := w.ended(w.service().EndpointRecover(t.Context(), orgScope, "acme", string(e.ID), period))
	w.wantSent(task, 6, 2)
	if got, want := w.deliveries(e), (map[core.MessageID]bool{failed[0]: true, failed[2]: false, failed[5]: true}); !maps.Equal(got, want) {
		t.Errorf("owed %v, want %v", got, want)
	}
	if owed := w.owed()[other.ID]; owed != 0 {
		t.Errorf("%d deliveries are owed to another endpoint", owed)
	}
	w.wantSent(w.ended(w.service().EndpointRecover(t.Context(), orgScope, "acme", string(e.ID), period)), 6, 0)
}

func TestRecoverHasNoCapAndLeavesRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 12_345, past())...)
	task := w.recovers(e, past().Add(-time.Minute))
	if n := w.steps(w.tasks()); n != 21 {
		t.Errorf("made %d steps, want 20 batches of 500 and one that sees that it is enough", n)
	}
	if owed := w.owed()[e.ID]; owed != 10_000 {
		t.Errorf("%d deliveries are due at once", owed)
	}
	if now := w.task(task.ID); now.Status != core.TaskRunning || now.Processed != 10_000 || !now.NextAt.After(now.UpdatedAt) {
		t.Errorf("the task is %+v", now)
	}
	w.exec("DELETE FROM delivery")
	w.steps(w.tasksAhead(time.Minute))
	w.wantSent(w.task(task.ID), 12_345, 12_345)
	if owed := w.owed()[e.ID]; owed != 2_345 {
		t.Errorf("%d deliveries came after the first 10,000", owed)
	}
}

// breaking is a store in which units of work fail at the end.
type breaking struct {
	*Store
	times  int
	err    error
	before func() // runs just before that
}

func (b *breaking) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	return b.Store.InTx(ctx, func(ctx context.Context, tx core.Tx) error {
		if err := work(ctx, tx); err != nil {
			return err
		}
		if b.times--; b.times >= 0 {
			if b.before != nil {
				b.before()
			}
			return b.err
		}
		return nil
	})
}

func TestAStepThatFailsIsTakenBackAndMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 700, past())...)
	task := w.recovers(e, past().Add(-time.Minute))
	s := w.tasks()
	if worked, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); !worked || err != nil {
		t.Fatal(worked, err)
	}
	s = w.tasksOn(&breaking{Store: w.Store, times: 1, err: errors.New("a defect with a secret in it")}, time.Now)
	if worked, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); !worked || err == nil || !strings.Contains(err.Error(), string(task.ID)) {
		t.Errorf("worked %v, %v; want an error that names the task", worked, err)
	}
	if now := w.task(task.ID); now.Processed != 500 || now.Failures != 1 || !now.NextAt.After(now.UpdatedAt) || w.owed()[e.ID] != 500 {
		t.Errorf("%d are owed by %+v", w.owed()[e.ID], now)
	}
	if n := w.steps(s); n != 0 {
		t.Error("the step was made again at once")
	}
	w.steps(w.tasksAhead(time.Minute))
	done := w.task(task.ID)
	w.wantSent(done, 700, 700)
	if w.owed()[e.ID] != 700 || done.Failures != 0 {
		t.Errorf("%d are owed by %+v", w.owed()[e.ID], done)
	}
}

func TestATaskFailsAfterFiveFailuresInARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 1, past())...)
	task := w.recovers(e, past().Add(-time.Minute))
	var waits []time.Duration
	for n := range 5 {
		s := w.tasksOn(&breaking{Store: w.Store, times: 1, err: errors.New("a secret")}, ahead(time.Duration(n)*time.Hour))
		if _, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err == nil {
			t.Fatal("no error")
		}
		waits = append(waits, w.task(task.ID).NextAt.Sub(ahead(time.Duration(n)*time.Hour)()).Round(5*time.Second))
	}
	if !slices.IsSorted(waits) || waits[0] != 5*time.Second || waits[3] != 40*time.Second {
		t.Errorf("waited %v", waits)
	}
	data := w.task(task.ID).Progress()
	if w.task(task.ID).Status != core.TaskFailed || data.Error == "" || strings.Contains(data.Error, "secret") {
		t.Errorf("the task is %+v", w.task(task.ID))
	}
	if n := w.steps(w.tasksAhead(24 * time.Hour)); n != 0 {
		t.Errorf("%d steps of a task that has failed", n)
	}
}

func TestADatabaseThatIsAwayIsNotTheTasksFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	task := w.recovers(e, past())
	for n := range 10 {
		s := w.tasksOn(&breaking{Store: w.Store, times: 1, err: &core.Error{Kind: core.KindUnavailable}}, ahead(time.Duration(n)*time.Hour))
		if _, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err == nil {
			t.Fatal("no error")
		}
	}
	if now := w.task(task.ID); now.Status != core.TaskRunning || now.Failures != 0 || !now.NextAt.After(now.UpdatedAt) {
		t.Errorf("the task is %+v", now)
	}
}

// Otherwise it would always be its turn again, and never another task's.
func TestATaskWhoseStepTookTooLongGoesBehindTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.recovers(w.addEndpoint(nil), past())
	ctx, timeUp := context.WithCancel(t.Context())
	s := w.tasksOn(&breaking{Store: w.Store, times: 1, err: context.DeadlineExceeded, before: timeUp}, time.Now)
	if _, err := s.BackgroundTaskStep(ctx, new(core.TaskTurns)); err == nil {
		t.Fatal("no error")
	}
	if now := w.task(task.ID); !now.NextAt.After(now.UpdatedAt) {
		t.Errorf("the task is %+v", now)
	}
}

func TestATaskEndsWithWhatItIsAbout(t *testing.T) {
	t.Parallel()
	for reason, end := range map[string]func(*world, core.Endpoint){
		"The endpoint is disabled.": func(w *world, e core.Endpoint) {
			w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", e.ID)
		},
		"The endpoint was deleted.": func(w *world, e core.Endpoint) {
			w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointDelete(ctx, w.app.ID, e.ID, now()) })
		},
		"The application was deleted.": func(w *world, _ core.Endpoint) {
			w.in(func(ctx context.Context, tx core.Tx) error {
				return tx.ApplicationDelete(ctx, testOrg, w.app.ID, now())
			})
		},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.addEndpoint(nil)
			w.addAttempts(e, 500, w.addMessages(w.app.ID, 700, past())...)
			task := w.recovers(e, past().Add(-time.Minute))
			if _, err := w.tasks().BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err != nil {
				t.Fatal(err)
			}
			end(w, e)
			w.steps(w.tasks())
			if now := w.task(task.ID); now.Status != core.TaskFailed || now.Progress().Error != reason || *now.Data.MessagesSent != 500 {
				t.Errorf("the task is %+v: %s", now, now.Progress().Error)
			}
		})
	}
}

func TestWorkersHearOfWhatATaskOwes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 1, past())...)
	ctx, stop := context.WithCancel(t.Context())
	heard, done := make(chan struct{}, 100), make(chan struct{})
	go func() { defer close(done); w.Listen(ctx, listener{wake: func() { heard <- struct{}{} }}) }()
	<-heard // connected
	w.recovers(e, past().Add(-time.Minute))
	w.steps(w.tasks())
	<-heard
	stop()
	<-done
}

package core

import (
	"context"
	"time"
)

// Bounds of one step, which is one transaction: some ten milliseconds of work, so that a task keeps
// no lock and no connection for long, and a crash takes little back.
const (
	taskMessages      = 500  // that are looked at and owed to an endpoint, or purged
	taskUsageMessages = 5000 // that are counted
	taskApplications  = 50   // of which little or nothing is to be counted
)

const (
	// taskDueMost is how much may be due to an endpoint before a task adds to it: enough to keep every
	// worker busy until the task has its next turn.
	taskDueMost  = 10_000
	taskDuePause = 2 * time.Second

	taskUnknownPause = time.Minute

	taskFailuresMost = 5               // in a row, then the task has failed
	taskRetryWait    = 5 * time.Second // after the first failure; then twice as long each time
)

// Tasks is the use cases of the jobs: steps of background tasks and of operational webhooks.
type Tasks struct{ base }

// NewTasks makes the use cases of the jobs.
func NewTasks(store Store, clock func() time.Time) *Tasks { return &Tasks{base{store, clock}} }

// MessageRange is the next messages of an application, in the order of their ids.
type MessageRange struct {
	After, Before string    // ids of messages; neither is in it
	FirstAttempt  AttemptID // no attempt at them is before
	Limit         int
}

// TaskBatch is what was done with the messages of a MessageRange.
type TaskBatch struct {
	NextAfter string // the last of them; empty: there are no more
	Processed int64  // how many there were
	Done      int64  // how many of them it was about
}

// TaskStepTx is what a step of a background task does in its unit of work. The Many methods look at one
// MessageRange.
type TaskStepTx interface {
	// DeliveryCountDue counts to most and no further.
	DeliveryCountDue(ctx context.Context, app AppID, endpoint EndpointID, most int, now time.Time) (int64, error)
	// DeliveryRecoverMany owes one attempt by hand for each message that failed at the endpoint for good.
	DeliveryRecoverMany(ctx context.Context, app AppID, endpoint EndpointID, r MessageRange, now time.Time) (TaskBatch, error)
	// DeliveryReplayMissingMany owes the messages that the endpoint would get today and never got.
	DeliveryReplayMissingMany(ctx context.Context, app AppID, endpoint EndpointID, r MessageRange, now time.Time) (TaskBatch, error)
	// DeliveryReplayMany owes one attempt by hand for each attempted message that matches.
	DeliveryReplayMany(ctx context.Context, app AppID, endpoint EndpointID, filter TaskParameters, r MessageRange, now time.Time) (TaskBatch, error)
	MessagePurgeMany(ctx context.Context, app AppID, r MessageRange) (TaskBatch, error)
	// DestinationCountMany counts the endpoints that each message was attempted at.
	DestinationCountMany(ctx context.Context, app AppID, r MessageRange) (TaskBatch, error)
	ApplicationEventTypesMany(ctx context.Context, apps []AppID) ([]AppEventTypes, error)
}

// BackgroundTaskStep makes the next step of the task whose turn it is. False: no task waits for a step. An error with
// true is of that task alone, which waits for its next turn.
func (s *Tasks) BackgroundTaskStep(ctx context.Context, turns *TaskTurns) (bool, error) {
	if err := s.taskLook(ctx, turns); err != nil {
		return false, err
	}
	for turn, ok := turns.take(); ok; turn, ok = turns.take() {
		worked, err := s.taskStep(ctx, turn)
		turns.give(turn, worked == (err == nil)) // not where there was nothing to do, nor where a step failed
		if worked || err != nil {
			return worked, err
		}
	}
	return false, nil
}

// taskLook finds out who has tasks, if that was not done lately.
func (s *Tasks) taskLook(ctx context.Context, turns *TaskTurns) error {
	now := s.now()
	after, ok := turns.look(now)
	if !ok {
		return nil
	}
	found, next, err := s.store.BackgroundTaskPlaceList(ctx, after, taskPlacesLooked, now)
	if err != nil {
		next = after
	}
	ended := s.now()
	turns.looked(found, next, ended.Sub(now), ended)
	return err
}

// taskStep makes the next step of a place's task, in one unit of work: what it does and how far the task has come are
// committed together, so that a process that dies here leaves nothing half done, nothing locked and nothing to be done
// twice. False: no task of the place waits for a step.
func (s *Tasks) taskStep(ctx context.Context, turn *taskTurn) (bool, error) {
	now := s.now()
	var claimed BackgroundTask
	var after TaskID
	err := s.store.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		if claimed, after, err = turn.claim(ctx, tx, now); err != nil {
			return err
		}
		t := claimed
		t.Failures, t.UpdatedAt = 0, now
		if err := t.step(ctx, tx, now); err != nil {
			return err
		}
		if err := tx.BackgroundTaskUpdate(ctx, t); err != nil {
			return err
		}
		return t.tellOfEnd(ctx, tx)
	})
	if claimed.ID == "" {
		if IsKind(err, KindNotFound) {
			err = nil
		}
		return false, err
	}
	turn.claimed(claimed.ID, after, now)
	if err == nil {
		return true, nil
	}
	s.taskPostpone(ctx, claimed, IsKind(err, KindUnavailable))
	return true, &TaskError{ID: claimed.ID, Task: claimed.Task, Err: err}
}

// claim claims the next task of the place, and after the last one the first again. It returns where it looked from.
func (t *taskTurn) claim(ctx context.Context, tx Tx, now time.Time) (BackgroundTask, TaskID, error) {
	begin := t.begin(now)
	for _, after := range []TaskID{t.after, begin} {
		task, err := tx.BackgroundTaskClaim(ctx, t.TaskPlace, after, now)
		if err == nil || !IsKind(err, KindNotFound) || after == begin {
			return task, after, err
		}
	}
	return BackgroundTask{}, begin, NotFound()
}

// TaskError is a step that failed.
type TaskError struct {
	ID   TaskID
	Task TaskKind
	Err  error
}

func (e *TaskError) Error() string { return string(e.Task) + " " + string(e.ID) + ": " + e.Err.Error() }

func (e *TaskError) Unwrap() error { return e.Err }

// taskPostpone puts a task whose step failed behind the others. A database that is away is not the
// task's fault.
func (s *Tasks) taskPostpone(ctx context.Context, t BackgroundTask, away bool) {
	// The step may have failed because its time was up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskRetryWait)
	defer cancel()
	now := s.now()
	wait := taskRetryWait << t.Failures
	if !away {
		t.Failures++
	}
	t.NextAt = now.Add(wait)
	if t.Failures >= taskFailuresMost {
		t.fail("Internal error; the operator finds it in the log under the id of the task.")
		t.UpdatedAt = now
	}
	// Without it the task has its turn again at once, which is as good when the database is back.
	_ = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		postponed, err := tx.BackgroundTaskPostpone(ctx, t)
		if err != nil || !postponed {
			return err
		}
		return t.tellOfEnd(ctx, tx)
	})
}

func (t *BackgroundTask) fail(reason string) { t.Status, t.Error = TaskFailed, &reason }

// step does a batch and moves the cursor behind it.
func (t *BackgroundTask) step(ctx context.Context, tx Tx, now time.Time) error {
	if t.AppID != nil {
		_, err := tx.ApplicationGet(ctx, t.OrgID, string(*t.AppID))
		if IsKind(err, KindNotFound) {
			t.fail("The application was deleted.")
			return nil
		}
		if err != nil {
			return err
		}
	}
	switch t.Task {
	case TaskRecover, TaskReplayMissing, TaskBulkReplay:
		return t.replay(ctx, tx, now)
	case TaskPurge:
		return t.purge(ctx, tx)
	case TaskUsageApp:
		return t.countUsage(ctx, tx)
	case TaskUsageEventTypes:
		return t.listEventTypes(ctx, tx)
	}
	t.NextAt = now.Add(taskUnknownPause) // it is of a later release, whose processes will take it
	return nil
}

// messages is the next messages of the task's period, behind that one.
func (t *BackgroundTask) messages(after string, limit int) MessageRange {
	after = max(after, string(MessageIDAt(t.Parameters.Since)))
	// Ids count 4 ms: those of the step that until is in belong to the period.
	before := string(MessageIDAt(t.Parameters.Until.Add(4 * time.Millisecond)))
	return MessageRange{After: after, Before: before, FirstAttempt: earliestAttempt(after), Limit: limit}
}

// take counts a batch, and ends the task with the last of them.
func (t *BackgroundTask) take(batch TaskBatch, done *int64) {
	t.Processed += batch.Processed
	*done += batch.Done
	t.moveOn(batch.NextAfter)
}

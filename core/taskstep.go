package core

import (
	"context"
	"time"
)

// Bounds of one step, which is one transaction: some ten milliseconds of work, so that a task holds no lock and no
// connection for long, and a crash loses little.
const (
	taskMessages      = 500  // messages examined and delivered to an endpoint, or purged
	taskUsageMessages = 5000 // messages counted
	taskApplications  = 50   // applications with little or nothing to count
)

const (
	// taskDueMost is how many deliveries may be due to an endpoint before a task adds more: enough to keep every worker
	// busy until the task's next turn.
	taskDueMost  = 10_000
	taskDuePause = 2 * time.Second

	taskUnknownPause = time.Minute

	taskFailuresMost = 5               // consecutive failures after which the task fails
	taskRetryWait    = 5 * time.Second // after the first failure; doubled each time
)

// Tasks implements the use cases of the jobs: steps of background tasks and of operational webhooks.
type Tasks struct{ base }

// NewTasks returns the use cases of the jobs.
func NewTasks(store Store, clock func() time.Time) *Tasks { return &Tasks{base{store, clock}} }

// MessageRange selects the next messages of an application, in id order.
type MessageRange struct {
	After, Before string    // message ids, both exclusive
	FirstAttempt  AttemptID // no attempt at the messages is before it
	Limit         int
}

// TaskBatch is the result of processing the messages of a MessageRange.
type TaskBatch struct {
	NextAfter string // the last message; empty: there are no more
	Processed int64  // how many messages there were
	Done      int64  // how many of them the task applied to
}

// TaskStepTx is the part of a unit of work that a step of a background task needs. The Many methods process one
// MessageRange.
type TaskStepTx interface {
	// DeliveryCountDue counts up to most.
	DeliveryCountDue(ctx context.Context, app AppID, endpoint EndpointID, most int, now time.Time) (int64, error)
	// DeliveryRecoverMany creates one manual delivery for each message that failed permanently at the endpoint.
	DeliveryRecoverMany(ctx context.Context, app AppID, endpoint EndpointID, r MessageRange, now time.Time) (TaskBatch, error)
	// DeliveryReplayMissingMany creates deliveries of the messages that the endpoint would receive today but never did.
	DeliveryReplayMissingMany(ctx context.Context, app AppID, endpoint EndpointID, r MessageRange, now time.Time) (TaskBatch, error)
	// DeliveryReplayMany creates one manual delivery for each attempted message that matches.
	DeliveryReplayMany(ctx context.Context, app AppID, endpoint EndpointID, filter TaskParameters, r MessageRange, now time.Time) (TaskBatch, error)
	MessagePurgeMany(ctx context.Context, app AppID, r MessageRange) (TaskBatch, error)
	// DestinationCountMany counts the endpoints that each message was attempted at.
	DestinationCountMany(ctx context.Context, app AppID, r MessageRange) (TaskBatch, error)
	ApplicationEventTypesMany(ctx context.Context, apps []AppID) ([]AppEventTypes, error)
}

// BackgroundTaskStep makes the next step of the task whose turn it is. It returns false if no task is waiting for a
// step. An error returned with true concerns only that task, which waits for its next turn.
func (s *Tasks) BackgroundTaskStep(ctx context.Context, turns *TaskTurns) (bool, error) {
	if err := s.taskLook(ctx, turns); err != nil {
		return false, err
	}
	for turn, ok := turns.take(); ok; turn, ok = turns.take() {
		worked, err := s.taskStep(ctx, turn)
		turns.give(turn, worked == (err == nil)) // unless there was nothing to do or a step failed
		if worked || err != nil {
			return worked, err
		}
	}
	return false, nil
}

// taskLook looks for places with tasks, unless that was done recently.
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

// taskStep makes the next step of a place's task in one unit of work. The work and the task's progress are committed
// together, so a process that crashes here leaves nothing half done, nothing locked and nothing to be done twice. It
// returns false if no task of the place is waiting for a step.
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

// claim claims the next task of the place, or the first again after the last. It also returns the id after which it
// searched.
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

// TaskError is the failure of a task's step.
type TaskError struct {
	ID   TaskID
	Task TaskKind
	Err  error
}

func (e *TaskError) Error() string { return string(e.Task) + " " + string(e.ID) + ": " + e.Err.Error() }

func (e *TaskError) Unwrap() error { return e.Err }

// taskPostpone moves a task whose step failed behind the others. An unavailable database is not the task's fault.
func (s *Tasks) taskPostpone(ctx context.Context, t BackgroundTask, away bool) {
	// The step may have failed because its context expired.
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
	// If this fails, the task has its next turn at once, which is just as good once the database is back.
	_ = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		postponed, err := tx.BackgroundTaskPostpone(ctx, t)
		if err != nil || !postponed {
			return err
		}
		return t.tellOfEnd(ctx, tx)
	})
}

func (t *BackgroundTask) fail(reason string) { t.Status, t.Error = TaskFailed, &reason }

// step processes a batch and moves the cursor past it.
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
	t.NextAt = now.Add(taskUnknownPause) // a later release added this kind; its processes will take the task
	return nil
}

// messages returns the next messages of the task's period after that id.
func (t *BackgroundTask) messages(after string, limit int) MessageRange {
	after = max(after, string(MessageIDAt(t.Parameters.Since)))
	// Ids have steps of 4 ms: those of the step that contains until belong to the period.
	before := string(MessageIDAt(t.Parameters.Until.Add(4 * time.Millisecond)))
	return MessageRange{After: after, Before: before, FirstAttempt: earliestAttempt(after), Limit: limit}
}

// take counts a batch, and ends the task after the last one.
func (t *BackgroundTask) take(batch TaskBatch, done *int64) {
	t.Processed += batch.Processed
	*done += batch.Done
	t.moveOn(batch.NextAfter)
}

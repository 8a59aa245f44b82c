package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// BackgroundTask is work that one request asked for and that takes longer than a request may. It is a
// row, done step by step by whoever runs the jobs; see BackgroundTaskStep.
type BackgroundTask struct {
	OrgID      OrgID
	ID         TaskID
	Task       TaskKind
	AppID      *AppID      // the application it is about; nil: the whole organisation
	EndpointID *EndpointID // the endpoint it is about; nil: none in particular
	Parameters TaskParameters
	Status     TaskStatus
	Cursor     string // the last id that is done
	Processed  int64  // how many messages were looked at
	Data       TaskData
	Failures   int16   // how many times the step failed that is next
	Error      *string // why it failed, safe to show
	CreatedAt  time.Time
	UpdatedAt  time.Time
	NextAt     time.Time // when the next step may be made
}

// TaskID is the id of a background task: "qtask_...".
type TaskID string

const taskPrefix = "qtask_"

// NewTaskID makes the id of a task of that instant.
func NewTaskID(at time.Time) TaskID { return TaskID(newID(taskPrefix, at)) }

// TaskIDAt is to tasks what MessageIDAt is to messages.
func TaskIDAt(at time.Time) TaskID { return TaskID(firstID(taskPrefix, at)) }

// TaskKind is what a task does. The words are the API's.
type TaskKind string

const (
	TaskRecover         TaskKind = "endpoint.recover"
	TaskReplayMissing   TaskKind = "endpoint.replay"
	TaskBulkReplay      TaskKind = "endpoint.bulk-replay"
	TaskPurge           TaskKind = "application.purge_content"
	TaskUsageApp        TaskKind = "application.stats"
	TaskUsageEventTypes TaskKind = "event-type.aggregate"
)

// TaskStatus is how a task stands.
type TaskStatus string

const (
	TaskRunning  TaskStatus = "running"
	TaskFinished TaskStatus = "finished"
	TaskFailed   TaskStatus = "failed"
)

// TaskParameters is what a task was asked for. Each kind has its own; the rest is left out.
type TaskParameters struct {
	Since      time.Time      `json:"since,omitzero"` // messages from then on
	Until      time.Time      `json:"until,omitzero"` // up to then, to 4 ms
	EventTypes []string       `json:"eventTypes,omitempty"`
	Channel    string         `json:"channel,omitempty"`
	Tag        string         `json:"tag,omitempty"`
	Status     *AttemptStatus `json:"status,omitempty"`
	CodeFrom   int16          `json:"codeFrom,omitempty"`
	CodeTo     int16          `json:"codeTo,omitempty"` // 0: no bound
	AppIDs     []AppID        `json:"appIds,omitempty"` // in their order; nil: all
}

// TaskData is what came of a task so far. Each kind has its own; the rest is left out.
type TaskData struct {
	MessagesProcessed *int64          `json:"messagesProcessed,omitempty"`
	MessagesSent      *int64          `json:"messagesSent,omitempty"`
	MessagesPurged    *int64          `json:"messagesPurged,omitempty"`
	AppStats          []AppUsage      `json:"appStats,omitzero"`
	EventTypes        []AppEventTypes `json:"event_types,omitzero"` // spelt as existing clients expect it
	Error             string          `json:"error,omitempty"`
}

// AppUsage is how many messages were sent to how many endpoints of an application: one message to
// two endpoints is two, however often each was tried.
type AppUsage struct {
	AppID               AppID   `json:"appId"`
	AppUID              *string `json:"appUid"`
	MessageDestinations int64   `json:"messageDestinations"`
}

// AppEventTypes is what the endpoints of an application subscribe to.
type AppEventTypes struct {
	AppID      AppID    `json:"appId"`
	EventTypes []string `json:"explicitlySubscribedEventTypes"`
	CatchAll   bool     `json:"hasCatchAllEndpoint"` // one of them gets all types
}

// BackgroundTaskReader reads background tasks.
type BackgroundTaskReader interface {
	BackgroundTaskGet(ctx context.Context, org OrgID, id TaskID) (BackgroundTask, error)
	// BackgroundTaskRunningGet finds the task that keeps t from beginning.
	BackgroundTaskRunningGet(ctx context.Context, t BackgroundTask) (TaskID, error)
	// BackgroundTaskPlaceList looks at up to most places that have running tasks, after one, and returns those where a
	// step may be made. The last one it looked at is where to go on; empty: there are no more.
	BackgroundTaskPlaceList(ctx context.Context, after string, most int, now time.Time) (places []TaskPlace, next string, err error)
	// BackgroundTaskList may leave out data that is large.
	BackgroundTaskList(ctx context.Context, org OrgID, filter BackgroundTaskFilter, page Page) (rows []BackgroundTask, ended string, err error)
}

// BackgroundTaskTx changes background tasks in a unit of work.
type BackgroundTaskTx interface {
	BackgroundTaskInsert(ctx context.Context, t BackgroundTask) error
	// BackgroundTaskClaim locks the first running task of a place, after one, that may make a step, among those that
	// nobody else has locked. Not found: there is none.
	BackgroundTaskClaim(ctx context.Context, place TaskPlace, after TaskID, now time.Time) (BackgroundTask, error)
	BackgroundTaskUpdate(ctx context.Context, t BackgroundTask) error
	// BackgroundTaskPostpone changes when and whether the next step is made. False: the task has moved on,
	// and is left alone.
	BackgroundTaskPostpone(ctx context.Context, t BackgroundTask) (bool, error)
}

// Progress is the task's data with what its other fields say of it.
func (t BackgroundTask) Progress() TaskData {
	data := t.Data
	if data.MessagesSent != nil || data.MessagesPurged != nil {
		data.MessagesProcessed = &t.Processed
	}
	if t.Error != nil {
		data.Error = *t.Error
	}
	return data
}

// newTask is a task of nothing in particular that may begin now.
func newTask(org OrgID, kind TaskKind, now time.Time) BackgroundTask {
	return BackgroundTask{
		OrgID: org, ID: NewTaskID(now), Task: kind, Status: TaskRunning,
		CreatedAt: now, UpdatedAt: now, NextAt: now,
	}
}

// taskInsertTries is how often a task is begun anew that was refused for another, which has ended meanwhile.
const taskInsertTries = 3

// taskInsert begins a task, unless one of its kind runs for the same endpoint, application or organisation.
func (s *Service) taskInsert(ctx context.Context, t BackgroundTask) (BackgroundTask, error) {
	var err error
	for range taskInsertTries {
		err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error { return tx.BackgroundTaskInsert(ctx, t) })
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != codeTaskRuns {
			return t, err
		}
		running, failed := s.store.BackgroundTaskRunningGet(ctx, t)
		if failed == nil {
			return t, anotherTaskRuns(fmt.Sprintf("The background task %s (%s)", running, t.Task))
		}
		if !IsKind(failed, KindNotFound) {
			return t, failed
		}
	}
	return t, err
}

const codeTaskRuns = "task_running"

// AnotherTaskRuns answers for a task that may not begin while another of its kind runs.
func AnotherTaskRuns() *Error { return anotherTaskRuns("A background task of this kind") }

func anotherTaskRuns(which string) *Error {
	return &Error{
		Kind: KindConflict, Code: codeTaskRuns,
		Message: which + " is still running; wait until it ends. GET /api/v1/background-task/{task_id} shows its progress.",
	}
}

// BackgroundTaskFilter narrows a list of tasks; its zero value does not.
type BackgroundTaskFilter struct {
	AppID  AppID
	Status TaskStatus
	Task   TaskKind
}

// BackgroundTaskGet finds a task. To a token of an application there are only those of its own: what
// it started, it can follow.
func (s *Service) BackgroundTaskGet(ctx context.Context, scope Scope, id TaskID) (BackgroundTask, error) {
	if err := scope.may(CapabilityViewBase); err != nil {
		return BackgroundTask{}, err
	}
	t, err := s.store.BackgroundTaskGet(ctx, scope.OrgID, id)
	if err == nil && scope.AppID != "" && (t.AppID == nil || *t.AppID != scope.AppID) {
		err = NotFound()
	}
	if err != nil {
		return BackgroundTask{}, noTask(err, id)
	}
	return t, nil
}

// BackgroundTaskList lists tasks in order of their ids, to a token of an application those of its own.
func (s *Service) BackgroundTaskList(ctx context.Context, scope Scope, filter BackgroundTaskFilter, page Page) (List[BackgroundTask], error) {
	if err := scope.may(CapabilityViewBase); err != nil {
		return List[BackgroundTask]{}, err
	}
	filter.AppID = scope.AppID
	return listLooked(page, func(p Page) ([]BackgroundTask, string, error) {
		return s.store.BackgroundTaskList(ctx, scope.OrgID, filter, p)
	})
}

// taskRetention is how long a task can be looked at after it has ended.
const taskRetention = 90 * 24 * time.Hour

// TasksEndedBefore is when a task must have ended to be deleted now.
func TasksEndedBefore(now time.Time) time.Time { return now.Add(-taskRetention) }

// TaskCleaner deletes tasks.
type TaskCleaner interface {
	// BackgroundTaskDeleteEnded deletes tasks that began and ended before, at most so many, and tells how many.
	BackgroundTaskDeleteEnded(ctx context.Context, before time.Time, most int) (int64, error)
}

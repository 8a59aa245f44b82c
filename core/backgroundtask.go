package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// BackgroundTask is work that a request started and that takes longer than a request may. It is a row, and the
// processes that run the jobs work on it step by step; see BackgroundTaskStep.
type BackgroundTask struct {
	OrgID      OrgID
	ID         TaskID
	Task       TaskKind
	AppID      *AppID      // the application it is about; nil: the whole organisation
	EndpointID *EndpointID // the endpoint it is about; nil: none in particular
	Parameters TaskParameters
	Status     TaskStatus
	Cursor     string // the last id that was processed
	Processed  int64  // how many messages were examined
	Data       TaskData
	Failures   int16   // how many times the next step has failed
	Error      *string // why it failed, safe to show
	CreatedAt  time.Time
	UpdatedAt  time.Time
	NextAt     time.Time // when the next step may begin
}

// TaskID is the id of a background task: "qtask_...".
type TaskID string

const taskPrefix = "qtask_"

// NewTaskID returns a new id for a task created at that instant.
func NewTaskID(at time.Time) TaskID { return TaskID(newID(taskPrefix, at)) }

// TaskIDAt is to tasks what MessageIDAt is to messages.
func TaskIDAt(at time.Time) TaskID { return TaskID(firstID(taskPrefix, at)) }

// TaskKind is what a task does. The values are the API's.
type TaskKind string

const (
	TaskRecover         TaskKind = "endpoint.recover"
	TaskReplayMissing   TaskKind = "endpoint.replay"
	TaskBulkReplay      TaskKind = "endpoint.bulk-replay"
	TaskPurge           TaskKind = "application.purge_content"
	TaskUsageApp        TaskKind = "application.stats"
	TaskUsageEventTypes TaskKind = "event-type.aggregate"
)

// TaskStatus is the status of a task.
type TaskStatus string

const (
	TaskRunning  TaskStatus = "running"
	TaskFinished TaskStatus = "finished"
	TaskFailed   TaskStatus = "failed"
)

// TaskParameters are the parameters of a task. Each kind of task has its own; the others are left out.
type TaskParameters struct {
	Since      time.Time      `json:"since,omitzero"` // messages since then
	Until      time.Time      `json:"until,omitzero"` // messages until then, to 4 ms
	EventTypes []string       `json:"eventTypes,omitempty"`
	Channel    string         `json:"channel,omitempty"`
	Tag        string         `json:"tag,omitempty"`
	Status     *AttemptStatus `json:"status,omitempty"`
	CodeFrom   int16          `json:"codeFrom,omitempty"`
	CodeTo     int16          `json:"codeTo,omitempty"` // 0: no bound
	AppIDs     []AppID        `json:"appIds,omitempty"` // in id order; nil: all
}

// TaskData is the result of a task so far. Each kind of task has its own fields; the others are left out.
type TaskData struct {
	MessagesProcessed *int64          `json:"messagesProcessed,omitempty"`
	MessagesSent      *int64          `json:"messagesSent,omitempty"`
	MessagesPurged    *int64          `json:"messagesPurged,omitempty"`
	AppStats          []AppUsage      `json:"appStats,omitzero"`
	EventTypes        []AppEventTypes `json:"event_types,omitzero"` // spelt as existing clients expect it
	Error             string          `json:"error,omitempty"`
}

// AppUsage counts the messages that were sent to an application's endpoints. A message to two endpoints counts
// twice, however many attempts were made.
type AppUsage struct {
	AppID               AppID   `json:"appId"`
	AppUID              *string `json:"appUid"`
	MessageDestinations int64   `json:"messageDestinations"`
}

// AppEventTypes lists the event types that an application's endpoints subscribe to.
type AppEventTypes struct {
	AppID      AppID    `json:"appId"`
	EventTypes []string `json:"explicitlySubscribedEventTypes"`
	CatchAll   bool     `json:"hasCatchAllEndpoint"` // one of the endpoints receives all types
}

// BackgroundTaskReader reads background tasks.
type BackgroundTaskReader interface {
	BackgroundTaskGet(ctx context.Context, org OrgID, id TaskID) (BackgroundTask, error)
	// BackgroundTaskRunningGet returns the id of the running task that prevents t from starting.
	BackgroundTaskRunningGet(ctx context.Context, t BackgroundTask) (TaskID, error)
	// BackgroundTaskPlaceList examines up to most places that have running tasks, after the given one, and returns
	// those where a step may be made. next is the last place it examined, from which to continue; it is empty if there
	// are no more.
	BackgroundTaskPlaceList(ctx context.Context, after string, most int, now time.Time) (places []TaskPlace, next string, err error)
	// BackgroundTaskList may leave out large data.
	BackgroundTaskList(ctx context.Context, org OrgID, filter BackgroundTaskFilter, page Page) (rows []BackgroundTask, ended string, err error)
}

// BackgroundTaskTx changes background tasks in a unit of work.
type BackgroundTaskTx interface {
	BackgroundTaskInsert(ctx context.Context, t BackgroundTask) error
	// BackgroundTaskClaim locks the first running task of a place, after the given one, that may make a step and that
	// nobody else has locked. It returns a not-found error if there is none.
	BackgroundTaskClaim(ctx context.Context, place TaskPlace, after TaskID, now time.Time) (BackgroundTask, error)
	BackgroundTaskUpdate(ctx context.Context, t BackgroundTask) error
	// BackgroundTaskPostpone changes when, and whether, the next step is made. It returns false and changes nothing if
	// the task has moved on.
	BackgroundTaskPostpone(ctx context.Context, t BackgroundTask) (bool, error)
}

// Progress returns the task's data, completed from its other fields.
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

// newTask returns a task that may start now, for no application or endpoint in particular.
func newTask(org OrgID, kind TaskKind, now time.Time) BackgroundTask {
	return BackgroundTask{
		OrgID: org, ID: NewTaskID(now), Task: kind, Status: TaskRunning,
		CreatedAt: now, UpdatedAt: now, NextAt: now,
	}
}

// taskInsertTries bounds how often a task is inserted again because the task that prevented it has since ended.
const taskInsertTries = 3

// taskInsert starts a task unless one of its kind is running for the same endpoint, application or organisation.
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

// AnotherTaskRuns returns the error for a task that may not start while another of its kind is running.
func AnotherTaskRuns() *Error { return anotherTaskRuns("A background task of this kind") }

func anotherTaskRuns(which string) *Error {
	return &Error{
		Kind: KindConflict, Code: codeTaskRuns,
		Message: which + " is still running; wait until it ends. GET /api/v1/background-task/{task_id} shows its progress.",
	}
}

// BackgroundTaskFilter narrows a list of tasks; its zero value matches all of them.
type BackgroundTaskFilter struct {
	AppID  AppID
	Status TaskStatus
	Task   TaskKind
}

// BackgroundTaskGet returns a task. A token of an application sees only that application's tasks, so it can follow
// the tasks it started.
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

// BackgroundTaskList lists tasks in id order. A token of an application sees only that application's tasks.
func (s *Service) BackgroundTaskList(ctx context.Context, scope Scope, filter BackgroundTaskFilter, page Page) (List[BackgroundTask], error) {
	if err := scope.may(CapabilityViewBase); err != nil {
		return List[BackgroundTask]{}, err
	}
	filter.AppID = scope.AppID
	return listLooked(page, func(p Page) ([]BackgroundTask, string, error) {
		return s.store.BackgroundTaskList(ctx, scope.OrgID, filter, p)
	})
}

// taskRetention is how long a task stays readable after it has ended.
const taskRetention = 90 * 24 * time.Hour

// TasksEndedBefore returns the time before which a task must have ended to be deleted now.
func TasksEndedBefore(now time.Time) time.Time { return now.Add(-taskRetention) }

// TaskCleaner deletes tasks.
type TaskCleaner interface {
	// BackgroundTaskDeleteEnded deletes up to most tasks that began and ended before that time, and returns how many it
	// deleted.
	BackgroundTaskDeleteEnded(ctx context.Context, before time.Time, most int) (int64, error)
}

package core

import (
	"context"
	"encoding/json"
	"time"
)

// endpointEvent is what is told of an endpoint.
type endpointEvent struct {
	AppID       AppID      `json:"appId"`
	AppUID      *string    `json:"appUid"`
	EndpointID  EndpointID `json:"endpointId"`
	EndpointUID *string    `json:"endpointUid"`
}

// endpointDisabledEvent is what is told of one that a client disabled. Of one that is disabled because
// it fails, the statement that does so tells, with since when and the trigger "automatic".
type endpointDisabledEvent struct {
	endpointEvent
	FailSince *time.Time `json:"failSince"`
	Trigger   string     `json:"trigger"`
}

// tellOfEndpoint tells the application's organisation what became of an endpoint.
func tellOfEndpoint(ctx context.Context, tx Tx, app Application, e Endpoint, eventTypes ...string) error {
	event := endpointEvent{AppID: app.ID, AppUID: app.UID, EndpointID: e.ID, EndpointUID: e.UID}
	for _, eventType := range eventTypes {
		var data any = event
		if eventType == EventEndpointDisabled {
			data = endpointDisabledEvent{endpointEvent: event, Trigger: "manual"}
		}
		if err := tell(ctx, tx, app.OrgID, string(e.ID), eventType, data); err != nil {
			return err
		}
	}
	return nil
}

// changeEvents are what is told of an endpoint that a client changed: always the same, and if it was
// disabled or enabled, that as well.
func changeEvents(wasDisabled, disabled bool) []string {
	switch {
	case disabled && !wasDisabled:
		return []string{eventEndpointUpdated, EventEndpointDisabled}
	case wasDisabled && !disabled:
		return []string{eventEndpointUpdated, eventEndpointEnabled}
	}
	return []string{eventEndpointUpdated}
}

// taskEvent is what is told of a background task.
type taskEvent struct {
	TaskID TaskID     `json:"taskId"`
	Task   TaskKind   `json:"task"`
	Status TaskStatus `json:"status"`
	Data   TaskData   `json:"data"`
}

// taskEventBytes is how much data a webhook about a task has at most: statistics of many applications
// are megabytes, and receivers refuse such bodies.
const taskEventBytes = 256 << 10

// tellOfEnd tells the task's organisation, if the task has ended.
func (t BackgroundTask) tellOfEnd(ctx context.Context, tx Tx) error {
	if t.Status == TaskRunning {
		return nil
	}
	event := taskEvent{TaskID: t.ID, Task: t.Task, Status: t.Status, Data: t.Progress()}
	text, err := json.Marshal(event.Data)
	if err != nil {
		return err
	}
	if len(text) > taskEventBytes {
		event.Data = TaskData{Error: event.Data.Error}
	}
	return tell(ctx, tx, t.OrgID, string(t.ID), eventTaskFinished, event)
}

// failingAttempts is how many attempts have failed when the organisation is told that a message keeps
// failing.
const failingAttempts = 4

// NoAttempt stands for the last attempt where an event must name one and none was made. Its id is of no
// attempt.
const NoAttempt AttemptID = "atmpt_000000000000000000000000000"

// DroppedEventType is the type of the event that tells of a delivery that ended for want of a payload.
const DroppedEventType = eventAttemptsExhausted

// OperationalEventType is the type of the event that tells of the attempt's result, or empty: nobody is
// told. Attempts by hand count for none.
func (r Result) OperationalEventType() string {
	success := r.Attempt.Status == StatusSuccess
	switch {
	case r.Attempt.Trigger == TriggerManual:
		return ""
	case r.Gone: // of the endpoint somebody is told
		return ""
	case success && r.Attempts > failingAttempts: // this one is the last of them
		return eventAttemptsRecovered
	case success:
		return ""
	case r.NextAt.IsZero():
		return eventAttemptsExhausted
	case r.Attempts == failingAttempts:
		return eventAttemptsFailing
	}
	return ""
}

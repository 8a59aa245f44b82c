package core

import (
	"context"
	"encoding/json"
	"time"
)

// endpointEvent is the data of an event about an endpoint.
type endpointEvent struct {
	AppID       AppID      `json:"appId"`
	AppUID      *string    `json:"appUid"`
	EndpointID  EndpointID `json:"endpointId"`
	EndpointUID *string    `json:"endpointUid"`
}

// endpointDisabledEvent is the data of the event about an endpoint that a client disabled. If an endpoint is
// disabled because it fails, the statement that disables it writes the event, with the time since when it has failed
// and the trigger "automatic".
type endpointDisabledEvent struct {
	endpointEvent
	FailSince *time.Time `json:"failSince"`
	Trigger   string     `json:"trigger"`
}

// tellOfEndpoint notifies the application's organisation of changes to an endpoint.
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

// changeEvents returns the events for an endpoint that a client changed: always the update, and one more if the
// endpoint was disabled or enabled.
func changeEvents(wasDisabled, disabled bool) []string {
	switch {
	case disabled && !wasDisabled:
		return []string{eventEndpointUpdated, EventEndpointDisabled}
	case wasDisabled && !disabled:
		return []string{eventEndpointUpdated, eventEndpointEnabled}
	}
	return []string{eventEndpointUpdated}
}

// taskEvent is the data of an event about a background task.
type taskEvent struct {
	TaskID TaskID     `json:"taskId"`
	Task   TaskKind   `json:"task"`
	Status TaskStatus `json:"status"`
	Data   TaskData   `json:"data"`
}

// taskEventBytes bounds the data of a webhook about a task: statistics of many applications are megabytes, and
// receivers reject such bodies.
const taskEventBytes = 256 << 10

// tellOfEnd notifies the task's organisation if the task has ended.
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

// failingAttempts is how many attempts have failed when the organisation is notified that a message keeps failing.
const failingAttempts = 4

// NoAttempt stands for the last attempt in an event that must name one although none was made. No attempt has this
// id.
const NoAttempt AttemptID = "atmpt_000000000000000000000000000"

// DroppedEventType is the type of the event about a delivery that ended because its payload was missing.
const DroppedEventType = eventAttemptsExhausted

// OperationalEventType returns the type of the event about the attempt's result, or an empty string if there is no
// event. Manual attempts are ignored.
func (r Result) OperationalEventType() string {
	success := r.Attempt.Status == StatusSuccess
	switch {
	case r.Attempt.Trigger == TriggerManual:
		return ""
	case r.Gone: // an event about the endpoint is sent instead
		return ""
	case success && r.Attempts > failingAttempts: // this attempt is the last of them
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

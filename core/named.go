package core

import (
	"errors"
	"fmt"
)

// The store returns the same "not found" and "conflict" for every kind of row. The functions of this file say which
// row it was, by the reference that the client itself sent. A row that does not exist and a row of another tenant
// get the same answer, so nobody learns of another's rows.

// shown returns a reference as errors repeat it: a name as it is, anything else quoted and cut.
func shown[T ~string](ref T) string {
	if isName(string(ref)) {
		return string(ref)
	}
	return fmt.Sprintf("%.100q", string(ref))
}

// reworded gives err another message if it has that kind and code. Other errors stay as they are.
func reworded(err error, kind Kind, code, message string) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		return err
	}
	named := *e
	named.Message = message
	return &named
}

func missing(err error, what string) error {
	return reworded(err, KindNotFound, "not_found", "There is no "+what+".")
}

func noApplication(err error, org OrgID, ref string) error {
	if org == OperationalOrg { // The client named none.
		return missing(err, "operational webhook endpoint yet")
	}
	return missing(err, "application "+shown(ref))
}

// noEndpoint takes the organisation and id of the application, which the client may reach.
func noEndpoint(err error, org OrgID, app AppID, ref string) error {
	if org == OperationalOrg {
		return missing(err, "operational webhook endpoint "+shown(ref))
	}
	return missing(err, "endpoint "+shown(ref)+" in application "+string(app))
}

func noMessage(err error, app AppID, ref string) error {
	return missing(err, "message "+shown(ref)+" in application "+string(app))
}

func noAttempt(err error, message MessageID, id AttemptID) error {
	return missing(err, "attempt "+shown(id)+" of message "+string(message))
}

func noEventType(err error, name string) error { return missing(err, "event type "+shown(name)) }

func noTask(err error, id TaskID) error { return missing(err, "background task "+shown(id)) }

// uidTaken names the uid that another row has. If uid is nil, the conflict is about something else.
func uidTaken(err error, what string, uid *string) error {
	if uid == nil {
		return err
	}
	return reworded(err, KindConflict, "conflict", fmt.Sprintf("The uid %s belongs to another %s; choose another uid.", shown(*uid), what))
}

func endpointUIDTaken(err error, org OrgID, uid *string) error {
	if org == OperationalOrg {
		return uidTaken(err, "operational webhook endpoint", uid)
	}
	return uidTaken(err, "endpoint of this application", uid)
}

// eventIDTaken names the event id that another message of the application has.
func eventIDTaken(err error, id *string) error {
	if id == nil {
		return err
	}
	return reworded(err, KindConflict, "conflict",
		fmt.Sprintf("The application already has a message with the eventId %s; send each event with an id of its own.", shown(*id)))
}

package core

import (
	"context"
	"slices"
	"time"
)

// AttemptStatus is the status of an attempt, or of a message at an endpoint. The numbers are the API's.
type AttemptStatus int16

const (
	StatusSuccess AttemptStatus = 0
	StatusPending AttemptStatus = 1
	StatusFail    AttemptStatus = 2
	StatusSending AttemptStatus = 3
)

// Trigger is what caused an attempt.
type Trigger int16

const (
	TriggerScheduled Trigger = 0
	TriggerManual    Trigger = 1
)

// ResponseBytesMax is how many bytes of a response body an attempt keeps.
const ResponseBytesMax = 20_000

// Attempt is one try to deliver one message to one endpoint.
type Attempt struct {
	AppID              AppID
	ID                 AttemptID
	MessageID          MessageID
	EndpointID         EndpointID
	URL                string
	Status             AttemptStatus // success or fail
	ResponseStatusCode int16         // 0: there was no response
	Response           string        // the body, or why there was none; base64 if it is not text
	DurationMS         int64
	Trigger            Trigger
	CreatedAt          time.Time // when the attempt began
}

// AttemptReader reads attempts.
type AttemptReader interface {
	AttemptGet(ctx context.Context, app AppID, message MessageID, id AttemptID) (Attempt, error)
	AttemptListByEndpoint(ctx context.Context, app AppID, endpoint EndpointID, filter AttemptFilter, page Page) (rows []Attempt, ended string, err error)
	AttemptListByMessage(ctx context.Context, app AppID, message MessageID, filter AttemptFilter, page Page) (rows []Attempt, ended string, err error)
}

// AttemptTx changes attempts in a unit of work.
type AttemptTx interface {
	AttemptExpunge(ctx context.Context, app AppID, message MessageID, id AttemptID, response string) error
}

// AttemptOfMessage is an attempt with its message, if the message was requested and still exists.
type AttemptOfMessage struct {
	Attempt
	Message *Message
}

// AttemptFilter narrows a list of attempts; its zero value matches all of them.
type AttemptFilter struct {
	EndpointID EndpointID // in a list of one message's attempts: only those at this endpoint
	Status     *AttemptStatus
	CodeFrom   int16 // the lowest response status code
	CodeTo     int16 // the highest response status code; 0: no bound
	MessageFilter
}

// Statuses returns the statuses that matching attempts can have. Attempts are finished: each has succeeded, with a
// status code of 200 to 299, or failed.
func (f AttemptFilter) Statuses() []AttemptStatus {
	statuses := []AttemptStatus{StatusSuccess, StatusFail}
	return slices.DeleteFunc(statuses, func(s AttemptStatus) bool {
		ok := f.CodeFrom >= 200 && f.CodeTo < 300
		return f.Status != nil && *f.Status != s || f.CodeTo != 0 && ok != (s == StatusSuccess)
	})
}

// AttemptListByEndpoint lists the attempts at one endpoint, newest first.
func (s *Service) AttemptListByEndpoint(ctx context.Context, scope Scope, appRef, ref string, filter AttemptFilter, withMessage bool, page Page) (List[AttemptOfMessage], error) {
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return List[AttemptOfMessage]{}, err
	}
	return s.attemptList(ctx, e.AppID, withMessage, page, func(p Page) ([]Attempt, string, error) {
		return s.store.AttemptListByEndpoint(ctx, e.AppID, e.ID, filter, p)
	})
}

// AttemptListByMessage lists the attempts to deliver one message, newest first. endpointRef, the id or uid of an
// endpoint, narrows the list to that endpoint unless it is empty.
func (s *Service) AttemptListByMessage(ctx context.Context, scope Scope, appRef, ref, endpointRef string, filter AttemptFilter, withMessage bool, page Page) (List[AttemptOfMessage], error) {
	m, err := s.MessageGetBare(ctx, scope, appRef, ref)
	if err != nil {
		return List[AttemptOfMessage]{}, err
	}
	if endpointRef != "" {
		e, err := s.store.EndpointGet(ctx, m.AppID, endpointRef)
		if err != nil {
			return List[AttemptOfMessage]{}, noEndpoint(err, scope.OrgID, m.AppID, endpointRef)
		}
		filter.EndpointID = e.ID
	}
	return s.attemptList(ctx, m.AppID, withMessage, page, func(p Page) ([]Attempt, string, error) {
		return s.store.AttemptListByMessage(ctx, m.AppID, m.ID, filter, p)
	})
}

func (s *Service) attemptList(ctx context.Context, app AppID, withMessage bool, page Page, read func(Page) ([]Attempt, string, error)) (List[AttemptOfMessage], error) {
	attempts, err := listLooked(page, read)
	if err != nil {
		return List[AttemptOfMessage]{}, err
	}
	out := List[AttemptOfMessage]{
		Data: make([]AttemptOfMessage, len(attempts.Data)),
		Done: attempts.Done, Next: attempts.Next, Previous: attempts.Previous,
	}
	var ids []MessageID
	for i, a := range attempts.Data {
		out.Data[i].Attempt = a
		ids = append(ids, a.MessageID)
	}
	if !withMessage {
		return out, nil
	}
	messages, _, err := s.messages(ctx, app, ids, true)
	for i, id := range ids {
		if m, ok := messages[id]; ok {
			out.Data[i].Message = &m
		}
	}
	return out, err
}

// AttemptGet finds one attempt to deliver one message.
func (s *Service) AttemptGet(ctx context.Context, scope Scope, appRef, messageRef string, id AttemptID) (Attempt, error) {
	m, err := s.MessageGetBare(ctx, scope, appRef, messageRef)
	if err != nil {
		return Attempt{}, err
	}
	a, err := s.store.AttemptGet(ctx, m.AppID, m.ID, id)
	return a, noAttempt(err, m.ID, id)
}

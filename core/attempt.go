package core

import (
	"context"
	"time"
)

// AttemptStatus is how an attempt, or a message to an endpoint, stands. The numbers are the API's.
type AttemptStatus int16

const (
	StatusSuccess AttemptStatus = 0
	StatusPending AttemptStatus = 1
	StatusFail    AttemptStatus = 2
	StatusSending AttemptStatus = 3
)

// Trigger is what made us try.
type Trigger int16

const (
	TriggerScheduled Trigger = 0
	TriggerManual    Trigger = 1
)

// ResponseBytesMax is how much of a response's body an attempt keeps.
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
	Response           string        // the body, or why there was none; base64 where it is not text
	DurationMS         int64
	Trigger            Trigger
	CreatedAt          time.Time // when it began
}

// AttemptFilter narrows a list of attempts; its zero value does not.
type AttemptFilter struct {
	EndpointID EndpointID // of one message's attempts, those to this endpoint
	Status     *AttemptStatus
	CodeFrom   int16 // the least response status code
	CodeTo     int16 // the greatest; 0: no bound
	Channel    string
	EventTypes []string
}

// AttemptListByEndpoint lists the attempts at one endpoint, newest first.
func (s *Service) AttemptListByEndpoint(ctx context.Context, scope Scope, appRef, ref string, filter AttemptFilter, page Page) (List[Attempt], error) {
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return List[Attempt]{}, err
	}
	return list(page, func(p Page) ([]Attempt, error) {
		return s.Store.AttemptListByEndpoint(ctx, e.AppID, e.ID, filter, p)
	})
}

// AttemptListByMessage lists the attempts to deliver one message, newest first. endpointRef, an
// endpoint's id or uid, narrows it to one endpoint; empty, it does not.
func (s *Service) AttemptListByMessage(ctx context.Context, scope Scope, appRef, ref, endpointRef string, filter AttemptFilter, page Page) (List[Attempt], error) {
	m, err := s.MessageGet(ctx, scope, appRef, ref)
	if err != nil {
		return List[Attempt]{}, err
	}
	if endpointRef != "" {
		e, err := s.Store.EndpointGet(ctx, m.AppID, endpointRef)
		if err != nil {
			return List[Attempt]{}, err
		}
		filter.EndpointID = e.ID
	}
	return list(page, func(p Page) ([]Attempt, error) {
		return s.Store.AttemptListByMessage(ctx, m.AppID, m.ID, filter, p)
	})
}

// AttemptGet finds one attempt to deliver one message.
func (s *Service) AttemptGet(ctx context.Context, scope Scope, appRef, messageRef string, id AttemptID) (Attempt, error) {
	m, err := s.MessageGet(ctx, scope, appRef, messageRef)
	if err != nil {
		return Attempt{}, err
	}
	return s.Store.AttemptGet(ctx, m.AppID, m.ID, id)
}

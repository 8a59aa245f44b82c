package core

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// AttemptedMessage is a message and its status at an endpoint.
type AttemptedMessage struct {
	Message Message
	Status  AttemptStatus
	NextAt  *time.Time // when the next attempt is due; nil: there is none
}

// Destination is an endpoint that a message was sent to, and the message's status there.
type Destination struct {
	Endpoint Endpoint
	Status   AttemptStatus
	NextAt   *time.Time
	Leased   bool // an attempt is in progress until NextAt, or was lost then
}

// DestinationReader reads the status of messages at endpoints.
type DestinationReader interface {
	// AttemptedMessageList lists messages by the attempts at one endpoint. None of these attempts is before first.
	AttemptedMessageList(ctx context.Context, app AppID, endpoint EndpointID, filter AttemptedMessageFilter, first AttemptID, page Page) (rows []LatestAttempt, ended string, err error)
	// DestinationList lists endpoints by the attempts at one message. None of these attempts is before first.
	DestinationList(ctx context.Context, app AppID, message MessageID, first AttemptID, page Page) (rows []Destination, ended string, err error)
}

// standing returns the status of a message at an endpoint: that of the latest attempt, unless more attempts will
// follow.
func standing(latest AttemptStatus, nextAt *time.Time) AttemptStatus {
	if nextAt != nil && latest != StatusPending {
		return StatusSending
	}
	return latest
}

// upcoming returns when a pending message will be attempted next. It returns nil while an attempt is in progress,
// because its result decides.
func upcoming(nextAt *time.Time, leased bool, now time.Time) *time.Time {
	if leased && nextAt.After(now) {
		return nil
	}
	return nextAt
}

// LatestAttempt is the status of the latest attempt of a message at an endpoint.
type LatestAttempt struct {
	MessageID MessageID
	Status    AttemptStatus
	NextAt    *time.Time
	Leased    bool // an attempt is in progress until NextAt, or was lost then
}

// AttemptedMessageFilter narrows a list of attempted messages; its zero value matches all of them.
type AttemptedMessageFilter struct {
	MessageFilter
	Status *AttemptStatus
}

// clockSkew is how far the clock that stamped an attempt may be behind the one that stamped its message.
const clockSkew = time.Hour

// AttemptedMessageList lists the messages that were attempted at an endpoint, newest first.
func (s *Service) AttemptedMessageList(ctx context.Context, scope Scope, appRef, ref string, filter AttemptedMessageFilter, page Page) (List[AttemptedMessage], error) {
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return List[AttemptedMessage]{}, err
	}
	latest, err := listLooked(page, func(p Page) ([]LatestAttempt, string, error) {
		if filter.Status != nil && (*filter.Status == StatusPending || *filter.Status > StatusSending) {
			return nil, "", nil // an attempted message is no longer pending, and none is ever canceled
		}
		return s.store.AttemptedMessageList(ctx, e.AppID, e.ID, filter, earliestAttempt(p.After), p)
	})
	if err != nil {
		return List[AttemptedMessage]{}, err
	}
	messages, err := s.attemptedMessages(ctx, e.AppID, page, &latest)
	l := List[AttemptedMessage]{Data: messages, Done: latest.Done, Next: latest.Next, Previous: latest.Previous}
	if n := len(latest.Data); len(messages) < n && !l.Done { // the next page also starts after the messages left out
		l.Next = cmp.Or(l.Next, string(latest.Data[n-1].MessageID))
		l.Previous = cmp.Or(l.Previous, string(latest.Data[0].MessageID))
	}
	return l, err
}

// earliestAttempt returns an id below those of all attempts at messages from that one on.
func earliestAttempt(from string) AttemptID {
	at, err := MessageID(from).Time()
	if err != nil {
		return ""
	}
	return AttemptIDAt(at.Add(-clockSkew))
}

// attemptedMessages adds the messages, and cuts the list to as many as a page may hold. Messages whose retention has
// ended are left out with their attempts.
func (s *Service) attemptedMessages(ctx context.Context, app AppID, page Page, latest *List[LatestAttempt]) ([]AttemptedMessage, error) {
	ids := make([]MessageID, len(latest.Data))
	for i, l := range latest.Data {
		ids[i] = l.MessageID
	}
	if page.flip { // into the order in which they were read
		slices.Reverse(ids)
	}
	messages, n, err := s.messages(ctx, app, ids, page.Bare)
	if err != nil {
		return nil, err
	}
	latest.cut(page, n)
	attempted, now := make([]AttemptedMessage, 0, n), s.now()
	for _, l := range latest.Data {
		if m, ok := messages[l.MessageID]; ok {
			attempted = append(attempted, AttemptedMessage{
				Message: m, Status: standing(l.Status, l.NextAt), NextAt: upcoming(l.NextAt, l.Leased, now),
			})
		}
	}
	return attempted, nil
}

// messages returns the first n messages by their ids, as MessageGetMany does.
func (s *Service) messages(ctx context.Context, app AppID, ids []MessageID, bare bool) (_ map[MessageID]Message, n int, _ error) {
	rows, n, err := s.store.MessageGetMany(ctx, app, ids, bare)
	byID := make(map[MessageID]Message, len(rows))
	for _, m := range rows {
		byID[m.ID] = m.at(s.now())
	}
	return byID, n, err
}

// DestinationList lists the endpoints that a message was or will be sent to, including deleted ones, in id order.
func (s *Service) DestinationList(ctx context.Context, scope Scope, appRef, ref string, page Page) (List[Destination], error) {
	m, err := s.MessageGetBare(ctx, scope, appRef, ref)
	if err != nil {
		return List[Destination]{}, err
	}
	return listLooked(page, func(p Page) ([]Destination, string, error) {
		rows, ended, err := s.store.DestinationList(ctx, m.AppID, m.ID, earliestAttempt(string(m.ID)), p)
		now := s.now()
		for i, row := range rows {
			rows[i].Status, rows[i].NextAt = standing(row.Status, row.NextAt), upcoming(row.NextAt, row.Leased, now)
		}
		return rows, ended, err
	})
}

package core

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// AttemptedMessage is how a message to an endpoint stands.
type AttemptedMessage struct {
	Message Message
	Status  AttemptStatus
	NextAt  *time.Time // of the next attempt; nil: there is none
}

// Destination is an endpoint that a message was sent to, and how it stands.
type Destination struct {
	Endpoint Endpoint
	Status   AttemptStatus
	NextAt   *time.Time
	Leased   bool // an attempt is under way until NextAt, or was lost then
}

// DestinationReader reads how messages stand at endpoints.
type DestinationReader interface {
	// AttemptedMessageList lists messages by the attempts at one endpoint, of which none is before first.
	AttemptedMessageList(ctx context.Context, app AppID, endpoint EndpointID, filter AttemptedMessageFilter, first AttemptID, page Page) (rows []LatestAttempt, ended string, err error)
	// DestinationList lists endpoints by the attempts at one message, of which none is before first.
	DestinationList(ctx context.Context, app AppID, message MessageID, first AttemptID, page Page) (rows []Destination, ended string, err error)
}

// standing is the status of a message at an endpoint: of the latest attempt, unless more are to come.
func standing(latest AttemptStatus, nextAt *time.Time) AttemptStatus {
	if nextAt != nil && latest != StatusPending {
		return StatusSending
	}
	return latest
}

// upcoming is when a message that is owed will be attempted next; nil: an attempt is under way, and what comes
// of it decides.
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
	Leased    bool // an attempt is under way until NextAt, or was lost then
}

// AttemptedMessageFilter narrows a list of attempted messages; its zero value does not.
type AttemptedMessageFilter struct {
	MessageFilter
	Status *AttemptStatus
}

// clockSkew is how far the clock that stamped an attempt may be behind the one that stamped its
// message.
const clockSkew = time.Hour

// AttemptedMessageList lists the messages that were attempted at an endpoint, newest first.
func (s *Service) AttemptedMessageList(ctx context.Context, scope Scope, appRef, ref string, filter AttemptedMessageFilter, page Page) (List[AttemptedMessage], error) {
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return List[AttemptedMessage]{}, err
	}
	latest, err := listLooked(page, func(p Page) ([]LatestAttempt, string, error) {
		if filter.Status != nil && (*filter.Status == StatusPending || *filter.Status > StatusSending) {
			return nil, "", nil // what was attempted is pending no more, and nothing is ever canceled
		}
		return s.store.AttemptedMessageList(ctx, e.AppID, e.ID, filter, earliestAttempt(p.After), p)
	})
	if err != nil {
		return List[AttemptedMessage]{}, err
	}
	messages, err := s.attemptedMessages(ctx, e.AppID, page, &latest)
	l := List[AttemptedMessage]{Data: messages, Done: latest.Done, Next: latest.Next, Previous: latest.Previous}
	if n := len(latest.Data); len(messages) < n && !l.Done { // it goes on after those that are left out, too
		l.Next = cmp.Or(l.Next, string(latest.Data[n-1].MessageID))
		l.Previous = cmp.Or(l.Previous, string(latest.Data[0].MessageID))
	}
	return l, err
}

// earliestAttempt is below the attempts at all messages from that one on.
func earliestAttempt(from string) AttemptID {
	at, err := MessageID(from).Time()
	if err != nil {
		return ""
	}
	return AttemptIDAt(at.Add(-clockSkew))
}

// attemptedMessages adds the messages, and cuts the list off after as many as a page may hold. One whose retention
// has ended is left out with its attempts.
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

// messages finds the first n messages by their ids, as MessageGetMany.
func (s *Service) messages(ctx context.Context, app AppID, ids []MessageID, bare bool) (_ map[MessageID]Message, n int, _ error) {
	rows, n, err := s.store.MessageGetMany(ctx, app, ids, bare)
	byID := make(map[MessageID]Message, len(rows))
	for _, m := range rows {
		byID[m.ID] = m.at(s.now())
	}
	return byID, n, err
}

// DestinationList lists the endpoints that a message was sent to or is owed to, deleted ones too, by
// their ids.
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

package core

import (
	"context"
	"time"
)

// Ingest implements the use cases of sources, which no client drives: brokers and the outbox. The operator configures
// sources, so there is no token to check.
type Ingest struct {
	base
	inserter MessageInserter
}

// NewIngest returns the use cases of sources.
func NewIngest(store Store, inserter MessageInserter, clock func() time.Time) *Ingest {
	return &Ingest{base{store, clock}, inserter}
}

// IngestIn is a message that no client sent: it was read from a broker or the outbox.
type IngestIn struct {
	OrgID  OrgID
	AppRef string // the application's id or uid
	MessageIn

	// Source and Position say where the message was found: the name of the source, and a value that is unique to the
	// message there. They form its idempotency key, so that a message that is read again is not stored again. Without a
	// Position there is no key.
	Source   string
	Position string

	Err error // why the message cannot be read; if set, the other fields are meaningless
}

// Ingested is the outcome for one message: it is in the store, or Err says why not.
type Ingested struct {
	Message Message
	Known   bool // it was already in the store
	Err     error
}

// IngestBytesMost is the largest size of a message in a source: that of a request to the API.
const IngestBytesMost = 2 << 20

// ingestBytesAtOnce bounds the bytes that one statement stores; see MessageIngestMany.
const ingestBytesAtOnce = 8 << 20

func (in IngestIn) check(now time.Time) error {
	if in.Err != nil {
		return in.Err
	}
	var c checks
	c.body(IsOrgID(string(in.OrgID)), "organization must be an organisation id: org_ and a name", "organization")
	c.pathName(in.AppRef, "application")
	if err := c.err(); err != nil {
		return err
	}
	m := in.MessageIn
	m.DeliverAt = ifAfter(m.DeliverAt, now.Add(deliverInAtLeast)) // it has come closer while the message waited for us
	return m.validate(now)
}

// newMessage returns the message to store. If its delivery time has come, it is sent at once.
func (in IngestIn) newMessage(now time.Time) NewMessage {
	m := in.message(in.OrgID, in.AppRef, now)
	m.DeliverAt = ifAfter(m.DeliverAt, now)
	m.KeyHash = positionHash(in.Source, in.Position)
	return m
}

// ifAfter returns at if it is after that, and nil otherwise.
func ifAfter(at *time.Time, that time.Time) *time.Time {
	if at == nil || !at.After(that) {
		return nil
	}
	return at
}

// MessageIngestMany stores messages in the order in which they were found, together with their deliveries, and
// returns the outcome of each. One statement stores up to 8 MiB. Invalid messages are rejected individually. If the
// store becomes unavailable partway, the remaining messages are returned as unavailable.
func (s *Ingest) MessageIngestMany(ctx context.Context, ins []IngestIn) []Ingested {
	outcomes := make([]Ingested, len(ins))
	var messages []NewMessage
	var places []int
	for i, in := range ins {
		now := s.now()
		if outcomes[i].Err = in.check(now); outcomes[i].Err == nil {
			messages, places = append(messages, in.newMessage(now)), append(places, i)
		}
	}
	var away error
	for len(messages) > 0 {
		n := fitting(messages)
		for i, stored := range s.insertSome(ctx, messages[:n], away) {
			outcomes[places[i]] = ingested(ctx, s.store, messages[i], stored)
			if outcomes[places[i]].Again() {
				away = outcomes[places[i]].Err
			}
		}
		messages, places = messages[n:], places[n:]
	}
	return outcomes
}

// insertSome stores messages unless earlier ones could not be stored, because then their order would be lost.
func (s *Ingest) insertSome(ctx context.Context, messages []NewMessage, away error) []Stored {
	if away == nil {
		return s.inserter.MessageInsertMany(ctx, messages)
	}
	stored := make([]Stored, len(messages))
	for i := range stored {
		stored[i].Err = away
	}
	return stored
}

// fitting returns how many of the messages fit into one statement.
func fitting(messages []NewMessage) int {
	bytes := 0
	for n, m := range messages {
		if bytes += len(*m.Payload); bytes > ingestBytesAtOnce {
			return max(n, 1)
		}
	}
	return len(messages)
}

// Again reports whether to retry the message.
func (i Ingested) Again() bool { return Again(i.Err) }

// Again reports whether to retry a message after err: something failed that is not the message's fault. Retrying a
// message that the database rejects for its content would block its source for ever.
func Again(err error) bool {
	kind := KindOf(err)
	return err != nil && (kind == KindUnavailable || kind == KindInternal) && !isRefused(err)
}

// ingested returns the outcome for one message. A conflict may be with the same message, stored earlier, or with a
// different message that only has the same name and must not pass for it.
func ingested(ctx context.Context, r Reader, m NewMessage, stored Stored) Ingested {
	found := stored.Message
	if IsKind(stored.Err, KindConflict) && m.EventID != nil {
		app, err := r.ApplicationGet(ctx, m.OrgID, m.AppRef)
		if err == nil {
			found, err = r.MessageGet(ctx, app.ID, *m.EventID)
		}
		if IsKind(err, KindNotFound) {
			err = stored.Err
		}
		stored.Err = err
	}
	switch {
	case stored.Err != nil:
		return Ingested{Err: stored.Err}
	case found.ID == m.ID:
		return Ingested{Message: found}
	case found.EventType != m.EventType || found.Payload != nil && *found.Payload != *m.Payload:
		return Ingested{Err: Conflict("Message " + string(found.ID) + " of the application already has this event id or this position in the source, with other content")}
	}
	return Ingested{Message: found, Known: true}
}

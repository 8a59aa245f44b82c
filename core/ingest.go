package core

import (
	"context"
	"time"
)

// Ingest is the use cases of sources, which no client drives: brokers, and the outbox. A source is configured
// by the operator, so there is no token to check.
type Ingest struct {
	base
	inserter MessageInserter
}

// NewIngest makes the use cases of sources.
func NewIngest(store Store, inserter MessageInserter, clock func() time.Time) *Ingest {
	return &Ingest{base{store, clock}, inserter}
}

// IngestIn is a message that no client sends: a broker had it, or the outbox.
type IngestIn struct {
	OrgID  OrgID
	AppRef string // the application's id or uid
	MessageIn

	// Source and Position are where it was found: the name of a source, and what tells the message from
	// all others there. They make its idempotency key: found again, it is not stored again. Without a
	// Position there is none.
	Source   string
	Position string

	Err error // it cannot be read, and why; then the rest says nothing
}

// Ingested is what became of a message that was found: it is in the store, or Err says why not.
type Ingested struct {
	Message Message
	Known   bool // it was in the store already
	Err     error
}

// IngestBytesMost is how large a message may be where it is found: as large as a request to the API.
const IngestBytesMost = 2 << 20

// ingestBytesAtOnce bounds what one statement stores; see MessageIngestMany.
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
	m.DeliverAt = ifAfter(m.DeliverAt, now.Add(deliverInAtLeast)) // it was further ahead before it waited for us
	return m.validate(now)
}

// newMessage is what is to be stored. If its time has come, it is sent at once.
func (in IngestIn) newMessage(now time.Time) NewMessage {
	m := in.message(in.OrgID, in.AppRef, now)
	m.DeliverAt = ifAfter(m.DeliverAt, now)
	m.KeyHash = positionHash(in.Source, in.Position)
	return m
}

// ifAfter is at if it comes after that time; else nil.
func ifAfter(at *time.Time, that time.Time) *time.Time {
	if at == nil || !at.After(that) {
		return nil
	}
	return at
}

// MessageIngestMany stores messages in the order in which they were found, with the deliveries they are
// owed, as many in one statement as 8 MiB hold, and answers for each. Bad ones are refused alone. When
// the store is away after some were stored, the others are answered as unavailable.
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

// insertSome stores messages, unless those before them could not be: then their order would be lost.
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

// fitting is how many of the messages go into one statement.
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

// Again reports whether to retry a message after err: it is a failure, and not the message's. Retrying one
// that the database refuses for what it is would stop its source for ever.
func Again(err error) bool {
	kind := KindOf(err)
	return err != nil && (kind == KindUnavailable || kind == KindInternal) && !isRefused(err)
}

// ingested is what became of one message. What kept it out of the store may be the message itself, that
// came before; or one that merely has its name, which must not pass for it.
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

// Package outbox receives messages from the outbox table of our own database, where other applications insert them in
// their own transactions. A message is removed and stored in one transaction, so that this source alone needs no
// idempotency keys. It accesses the database only through core's ports.
package outbox

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/wire"
)

// Source receives messages from the outbox.
type Source struct {
	outbox core.Outbox
	clock  func() time.Time
	poll   time.Duration

	place   core.OutboxPlace // up to where it has read
	next    core.OutboxPlace // up to where it will have read once the last batch is settled
	wholeAt time.Time        // the time of its next look at the whole outbox

	counted int64     // the last count; only Depth uses it
	countAt time.Time // the time of the next count
}

var _ ingest.Measured = (*Source)(nil)

const (
	// pollInterval is the longest wait of a message in an outbox that was empty. A NOTIFY from whoever inserts would
	// be immediate, but Postgres makes all commits with a NOTIFY wait for each other, and those are other
	// applications' transactions. A look at an empty table takes two statements of some 100 us.
	pollInterval = 100 * time.Millisecond

	// A look at the whole outbox finds rows that a place does not cover: rows that a replica or a DBA copies from
	// another server, and rows that reappear after a crash or a failover. While any session holds a snapshot, it
	// reads all rows removed since, so it gets at most a hundredth of the time.
	wholeInterval = 5 * time.Second
	wholeShare    = 100
)

// New returns a source.
func New(outbox core.Outbox, clock func() time.Time) *Source {
	return &Source{outbox: outbox, clock: clock, poll: pollInterval}
}

// Check returns an error if the outbox cannot be read.
func (s *Source) Check(ctx context.Context) error {
	_, _, err := s.outbox.OutboxList(ctx, core.OutboxPlace{}, 1, 0)
	return err
}

// batchBytesMost is how much one transaction stores, so that it stays short.
const batchBytesMost = 8 << 20

// Receive polls the outbox until it has rows. It removes nothing: another process may be about to store the same
// messages.
func (s *Source) Receive(ctx context.Context) ([]ingest.Message, error) {
	for {
		found, err := s.look(ctx)
		if err != nil || len(found) > 0 {
			return messages(found), err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.poll):
		}
	}
}

// look reads messages from the source's place on. The source has no place until they are settled, nor after an error,
// because another server may answer from then on.
func (s *Source) look(ctx context.Context) ([]core.OutboxMessage, error) {
	began := s.clock()
	if !began.Before(s.wholeAt) {
		s.place = core.OutboxPlace{}
	}
	from := s.place
	s.place = core.OutboxPlace{}
	found, next, err := s.outbox.OutboxList(ctx, from, ingest.BatchMost, batchBytesMost)
	if err != nil {
		return nil, err
	}
	if from == (core.OutboxPlace{}) {
		ended := s.clock()
		s.wholeAt = ended.Add(max(wholeInterval, wholeShare*ended.Sub(began)))
	}
	if s.next = next; len(found) == 0 {
		s.place = next
	}
	return found, nil
}

func messages(found []core.OutboxMessage) []ingest.Message {
	all := make([]ingest.Message, len(found))
	for i, m := range found {
		all[i] = ingest.Message{
			Topic: "outbox", Key: m.Application, Body: []byte(m.Payload),
			Position: m.Position(), Err: m.Err, Handle: m,
		}
	}
	return all
}

// Decode is the decoder of the outbox, whose messages are rows.
func Decode(m ingest.Message) (core.IngestIn, error) {
	row, ok := m.Handle.(core.OutboxMessage)
	if !ok {
		return core.IngestIn{}, errors.New("it is not of the outbox")
	}
	in := ingest.JSON(m.Body)
	in.EventType, in.EventID, in.TraceParent = row.EventType, row.EventID, row.TraceParent
	in.Channels, in.Tags = wire.Channels(row.Channels), wire.Set(row.Tags)
	return core.IngestIn{OrgID: row.OrgID, AppRef: row.Application, MessageIn: in}, nil
}

// Ingester stores messages of the outbox. core implements it.
type Ingester interface {
	// OutboxIngestMany stores messages and removes them from the outbox in one unit of work. Refused messages move to
	// the dead letters.
	OutboxIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested
}

// Sink returns the sink of the outbox. Messages that it has stored or refused are settled.
func Sink(ingester Ingester) ingest.Sink { return sink{ingester} }

type sink struct{ ingester Ingester }

func (s sink) MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested {
	return s.ingester.OutboxIngestMany(ctx, ins)
}

// Extend does nothing: no message has been removed yet.
func (*Source) Extend(context.Context, []ingest.Message) error { return nil }

// Settle marks a batch as done. The sink did the rest in its transaction.
func (s *Source) Settle(_ context.Context, settlements []ingest.Settlement) error {
	if !slices.ContainsFunc(settlements, func(one ingest.Settlement) bool { return one.Verdict == ingest.Retry }) {
		s.place = s.next
	}
	return nil
}

// Close does nothing: the owner of the database closes it.
func (*Source) Close(context.Context) error { return nil }

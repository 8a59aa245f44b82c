// Package outbox is messages from the table outbox of our own database, in which other applications of
// that database leave them inside their own transactions. A message is taken out and stored in one
// transaction, which makes it the one source that needs no idempotency key. It sees the database as
// core's ports alone.
package outbox

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// Source is the outbox as a source of messages.
type Source struct {
	outbox core.Outbox
	poll   time.Duration
}

var _ ingest.Source = (*Source)(nil)

// pollInterval is how long a message waits at most in an outbox that was empty. A NOTIFY by whoever
// inserts would tell at once, but Postgres has all commits with one wait for each other, and those are
// other people's transactions. Looking into an empty table costs Postgres some 50 us.
const pollInterval = 100 * time.Millisecond

// New makes the source.
func New(outbox core.Outbox) *Source { return &Source{outbox: outbox, poll: pollInterval} }

// Check tells whether the outbox can be read.
func (s *Source) Check(ctx context.Context) error {
	_, err := s.outbox.OutboxList(ctx, 1, 0)
	return err
}

// batchBytesMost is what one transaction stores, so that it stays short.
const batchBytesMost = 8 << 20

// Receive looks into the outbox until something is there. It takes nothing out: another process may be
// about to store the same messages.
func (s *Source) Receive(ctx context.Context) ([]ingest.Message, error) {
	for {
		found, err := s.outbox.OutboxList(ctx, ingest.BatchMost, batchBytesMost)
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

func messages(found []core.OutboxMessage) []ingest.Message {
	all := make([]ingest.Message, len(found))
	for i, m := range found {
		all[i] = ingest.Message{
			Topic: "outbox", Key: m.Application, Body: []byte(m.Payload),
			Position: strconv.FormatInt(m.ID, 10), Handle: m,
		}
	}
	return all
}

// Decode is the decoder of the outbox: its messages are in columns.
func Decode(m ingest.Message) (core.IngestIn, error) {
	row, ok := m.Handle.(core.OutboxMessage)
	if !ok {
		return core.IngestIn{}, errors.New("it is not of the outbox")
	}
	in := ingest.JSON(m.Body)
	in.EventType, in.EventID, in.Channels, in.Tags, in.TraceParent = row.EventType, row.EventID, row.Channels, row.Tags, row.TraceParent
	return core.IngestIn{OrgID: row.OrgID, AppRef: row.Application, MessageIn: in}, nil
}

// Ingester is core's use case.
type Ingester interface {
	// OutboxIngestMany stores messages and takes them out of the outbox in one unit of work, those that
	// are refused to the dead letters.
	OutboxIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested
}

// Sink is the sink of the outbox. What it has stored or refused is settled.
func Sink(ingester Ingester) ingest.Sink { return sink{ingester} }

type sink struct{ ingester Ingester }

func (s sink) MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested {
	return s.ingester.OutboxIngestMany(ctx, ins)
}

// Extend does nothing: nobody has taken anything yet.
func (*Source) Extend(context.Context, []ingest.Message) error { return nil }

// Settle does nothing: the sink did it, in its transaction.
func (*Source) Settle(context.Context, []ingest.Settlement) error { return nil }

// Close does nothing: the database is its owner's to close.
func (*Source) Close(context.Context) error { return nil }

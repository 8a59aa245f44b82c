package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OutboxMessage is a message that an application of our own database inserted into the outbox.
type OutboxMessage struct {
	OutboxKey
	OrgID       OrgID
	Application string // id or uid
	EventType   string
	Payload     string
	EventID     *string
	Channels    []string
	Tags        []string
	TraceParent *string

	Err error // why the message cannot be read; if set, only the key is meaningful
}

// OutboxKey identifies a message of the outbox. Its id alone does not: ids start again after TRUNCATE ... RESTART
// IDENTITY, and a consumer that still holds old messages must not confuse new ones with them.
type OutboxKey struct {
	ID   int64
	TxID uint64 // of the transaction that inserted it
}

// Position returns the key as the Position of an [IngestIn].
func (k OutboxKey) Position() string {
	return strconv.FormatInt(k.ID, 10) + "/" + strconv.FormatUint(k.TxID, 10)
}

func outboxKey(position string) (OutboxKey, error) {
	first, second, _ := strings.Cut(position, "/")
	id, idErr := strconv.ParseInt(first, 10, 64)
	txID, txErr := strconv.ParseUint(second, 10, 64)
	if err := cmp.Or(idErr, txErr); err != nil {
		return OutboxKey{}, fmt.Errorf("a position in the outbox: %w", err)
	}
	return OutboxKey{ID: id, TxID: txID}, nil
}

// OutboxLetter is a message of the outbox that cannot be stored, and the reason.
type OutboxLetter struct {
	ID     int64
	Reason string
}

// OutboxPlace is how far a consumer has emptied the outbox: all messages with lower ids that were committed when the
// snapshot was taken are gone. Messages that commit later are found from there on, whatever their ids. The zero
// value is the place of a consumer that is just starting.
type OutboxPlace struct {
	ID       int64
	Snapshot string
}

// Outbox is the outbox as seen by its consumers.
type Outbox interface {
	// OutboxList lists the first messages in the outbox that are not gone at that place: up to limit messages and up to
	// bytes of payloads, but at least one message if there is one. It returns the place of a consumer that has taken
	// all of them.
	OutboxList(ctx context.Context, from OutboxPlace, limit int, bytes int64) ([]OutboxMessage, OutboxPlace, error)
	// OutboxCount counts the messages in the outbox, up to most.
	OutboxCount(ctx context.Context, most int) (int64, error)
}

// OutboxTx is the part of a unit of work that takes messages out of the outbox.
type OutboxTx interface {
	// OutboxLockMany locks the messages that are still there, and returns their ids in order. Concurrent callers block.
	OutboxLockMany(ctx context.Context, keys []OutboxKey) ([]int64, error)
	// OutboxDeleteMany deletes locked messages.
	OutboxDeleteMany(ctx context.Context, ids []int64) error
	// OutboxDeadLetterMany moves locked messages to the dead letters.
	OutboxDeadLetterMany(ctx context.Context, letters []OutboxLetter, now time.Time) error
}

// OutboxIngestMany stores messages of the outbox, whose Position is that of their key, and removes them from it in
// the same unit of work, so each is stored exactly once even if a process crashes. Messages that another process has
// removed meanwhile are returned as known. Rejected messages become dead letters, with the reason, in the same unit
// of work.
//
// If the database refuses the unit of work, or has no memory or locks for it, the messages are split in halves until
// the one that causes it is alone. That message cannot become a dead letter either; it stays in the outbox.
func (s *Ingest) OutboxIngestMany(ctx context.Context, ins []IngestIn) []Ingested {
	var outcomes []Ingested
	err := s.store.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		outcomes, err = s.outboxIngest(ctx, tx, ins)
		return err
	})
	half := len(ins) / 2
	switch {
	case err == nil:
		return outcomes
	case half == 0 || !isRefused(err) && !IsExhausted(err):
		return slices.Repeat([]Ingested{{Err: err}}, len(ins))
	}
	outcomes = s.OutboxIngestMany(ctx, ins[:half])
	if i := slices.IndexFunc(outcomes, Ingested.Again); i >= 0 { // later messages must not be stored before it
		return append(outcomes, slices.Repeat([]Ingested{outcomes[i]}, len(ins)-half)...)
	}
	return append(outcomes, s.OutboxIngestMany(ctx, ins[half:])...)
}

func (s *Ingest) outboxIngest(ctx context.Context, tx Tx, ins []IngestIn) ([]Ingested, error) {
	keys, ids := make([]OutboxKey, len(ins)), make([]int64, len(ins))
	for i, in := range ins {
		var err error
		if keys[i], err = outboxKey(in.Position); err != nil {
			return nil, err
		}
		ids[i] = keys[i].ID
	}
	locked, err := tx.OutboxLockMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Ingested, len(ins))
	var messages []NewMessage
	var places []int
	for i, in := range ins {
		if _, there := slices.BinarySearch(locked, ids[i]); !there {
			outcomes[i].Known = true
			continue
		}
		now := s.now()
		if outcomes[i].Err = in.check(now); outcomes[i].Err == nil {
			m := in.newMessage(now)
			m.KeyHash = nil // the outbox alone ensures that it is stored once
			messages, places = append(messages, m), append(places, i)
		}
	}
	stored, err := tx.MessageInsertMany(ctx, messages, s.now())
	if err != nil {
		return nil, err
	}
	for n, one := range stored {
		outcomes[places[n]] = ingested(ctx, tx, messages[n], one)
	}
	return outcomes, s.outboxSettle(ctx, tx, locked, ids, outcomes)
}

// outboxSettle removes messages from the outbox; rejected ones go to the dead letters.
func (s *Ingest) outboxSettle(ctx context.Context, tx Tx, locked, ids []int64, outcomes []Ingested) error {
	var done []int64
	var letters []OutboxLetter
	for i, outcome := range outcomes {
		_, there := slices.BinarySearch(locked, ids[i])
		switch {
		case !there:
		case outcome.Again():
			return outcome.Err
		case outcome.Err != nil:
			letters = append(letters, OutboxLetter{ID: ids[i], Reason: Reason(outcome.Err)})
		default:
			done = append(done, ids[i])
		}
	}
	if len(letters) > 0 {
		if err := tx.OutboxDeadLetterMany(ctx, letters, s.now()); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		return nil
	}
	return tx.OutboxDeleteMany(ctx, done)
}

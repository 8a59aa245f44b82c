// Package ingest receives messages from brokers. It defines the port Source, which every broker's adapter implements,
// the message formats, and the loop that all sources share: receive, decode, store, settle. It stores messages through
// the same use case as API requests, and knows neither the database nor any broker; the adapters are the packages below
// it.
package ingest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/core"
)

// Message is a message as the broker's adapter received it.
type Message struct {
	Topic   string  // what it was published to: a topic, queue or subject; with RabbitMQ the routing key
	Key     string  // what its broker orders by: Kafka's record key, an SQS message group; "": nothing
	Headers Headers // its headers, properties or attributes that are text
	Body    []byte

	// Position tells the message from all others of its source, ever, and is the same each time the
	// broker hands it out: what makes storing it again change nothing. "": the broker has none, and a
	// message that comes again is stored again unless it has an event id.
	Position string

	// Err is why what the broker has cannot be read; nil: it can. Such a message is a dead letter.
	Err error

	// Handle is the adapter's own: what it settles the message by.
	Handle any
}

// Headers are the headers of a message by name, spelled as received. Lookups ignore case.
type Headers map[string]string

// Get returns a header, or "".
func (h Headers) Get(name string) string {
	if value, ok := h[name]; ok {
		return value
	}
	for _, other := range slices.Sorted(maps.Keys(h)) { // of two spellings always the same
		if strings.EqualFold(other, name) {
			return h[other]
		}
	}
	return ""
}

// Verdict says what happens to a message at its broker.
type Verdict int

const (
	Ack        Verdict = iota // stored; the broker may delete it
	Retry                     // not stored; the broker redelivers it
	DeadLetter                // can never be stored; moved to the dead letters with the reason
)

// Settlement is a message with its verdict.
type Settlement struct {
	Message Message
	Verdict Verdict
	Reason  string // of DeadLetter: why, in a sentence
}

// BatchMost is how many messages a batch should hold: they are stored in one statement.
const BatchMost = 500

// Source is a broker's adapter. One goroutine uses it: it receives a batch, has it stored, and settles it before it
// receives the next. Only Extend is called concurrently. The first Check or Receive connects; after a lost connection,
// the next Receive reconnects.
//
// A message that is received and not settled is redelivered to this or another consumer, whichever process dies.
// Messages that the broker keeps in order are received in that order, starting at the first one not acknowledged.
type Source interface {
	// Check connects and returns what prevents the source from working: something that is missing or not readable, or
	// no destination for dead letters. It takes no message.
	Check(ctx context.Context) error

	// Receive blocks until there are messages, and returns up to BatchMost. If ctx ends or the broker is unreachable,
	// it returns an error and no messages.
	Receive(ctx context.Context) ([]Message, error)

	// Extend tells the broker that the messages, which are the whole last batch, are still being processed. It is
	// called every ExtendEvery. It does nothing for brokers without such a limit.
	Extend(ctx context.Context, messages []Message) error

	// Settle carries out the verdicts on all messages of the last batch, in the order they were received. A dead letter
	// is stored with its body, headers and reason before its message is acknowledged. Without an error, every message
	// is done, belongs to another consumer by now, or will be redelivered. After an error, nothing behind the first
	// message that is neither stored nor put aside has been acknowledged; Settle is then called again with the same
	// settlements, which may store a dead letter twice.
	Settle(ctx context.Context, settlements []Settlement) error

	// Close disconnects. Messages that are not settled go back to the broker.
	Close(ctx context.Context) error
}

// Sink stores messages. core implements it.
type Sink interface {
	// MessageIngestMany stores messages in the given order and returns a result for each. A message whose position or
	// event id is known is not stored again.
	MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested
}

// Decoder reads a message. An error says why the message can never be read.
type Decoder func(Message) (core.IngestIn, error)

// Package ingest receives messages from brokers. It defines the port Source, which every broker's adapter implements,
// the message formats, and the loop that all sources share: receive, decode, store, settle. It stores messages through
// the same use case as API requests, and knows neither the database nor any broker; the adapters are the packages below
// it.
package ingest

import (
	"context"
	"strings"

	"github.com/postrider/postrider/core"
)

// Message is a message as the broker's adapter received it.
type Message struct {
	Topic   string  // the topic, queue or subject it was published to; in RabbitMQ the routing key
	Key     string  // the broker's ordering key: Kafka's record key, an SQS message group; "": none
	Headers Headers // headers, properties or attributes that have text values
	Body    []byte

	// Position identifies the message among all messages that its source will ever have, and is the same for every
	// redelivery. It makes storing a message twice a no-op. If it is empty, the broker has none, and a redelivered
	// message is stored again unless it has an event id.
	Position string

	// Err is why the message cannot be read, or nil if it can. An unreadable message is a dead letter.
	Err error

	// Handle is private to the adapter, which uses it to settle the message.
	Handle any
}

// Headers are the headers of a message by name, spelled as received. Lookups ignore case.
type Headers map[string]string

// Get returns a header, or "".
func (h Headers) Get(name string) string {
	if value, ok := h[name]; ok {
		return value
	}
	found := ""
	for other := range h {
		if strings.EqualFold(other, name) && (found == "" || other < found) { // always picks the same of two spellings
			found = other
		}
	}
	if found == "" {
		return ""
	}
	return h[found]
}

// Verdict says what the broker should do with a message.
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

// BatchMost is the maximum number of messages in a batch. A batch is stored in one statement.
const BatchMost = 500

// Source is a broker's adapter. A single goroutine uses it: it receives a batch, has it stored, and settles it before
// it receives the next. Only Extend is called concurrently. The first Check or Receive connects; after a lost
// connection, the next Receive reconnects.
//
// A message that is received and not settled is redelivered to this or another consumer, whichever process dies.
// Ordered messages are received in order, starting at the first one not acknowledged.
type Source interface {
	// Check connects and returns what prevents the source from working, such as something missing or unreadable, or a
	// missing destination for dead letters. It consumes no message.
	Check(ctx context.Context) error

	// Receive blocks until there are messages, and returns up to BatchMost. If ctx ends or the broker is unreachable,
	// it returns an error and no messages.
	Receive(ctx context.Context) ([]Message, error)

	// Extend tells the broker that the messages, which are the whole last batch, are still being processed. It is
	// called every ExtendEvery. It does nothing for brokers without a processing timeout.
	Extend(ctx context.Context, messages []Message) error

	// Settle carries out the verdicts on all messages of the last batch, in the order they were received. A dead
	// letter is stored with its body, headers and reason before its message is acknowledged. If Settle returns nil,
	// every message is done, belongs to another consumer by now, or will be redelivered. If it returns an error, no
	// message after the first one that is neither stored nor a stored dead letter has been acknowledged; Settle is
	// then called again with the same settlements, which may store a dead letter twice.
	Settle(ctx context.Context, settlements []Settlement) error

	// Close disconnects. Unsettled messages go back to the broker.
	Close(ctx context.Context) error
}

// Sink stores messages. core implements it.
type Sink interface {
	// MessageIngestMany stores messages in the given order and returns a result for each. A message with a known
	// position or event id is not stored again.
	MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested
}

// Decoder decodes a message. An error says why the message can never be decoded.
type Decoder func(Message) (core.IngestIn, error)

// Package ingest is messages from brokers in: one port, Source, which every broker's adapter implements,
// the formats that messages come in, and the loop that is the same for all of them: receive, decode,
// store, settle. It stores through the use case that requests are stored by, and knows neither the
// database nor any broker; those are the packages below it.
package ingest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/core"
)

// Message is one message of a broker, as its adapter received it.
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

// Headers are a message's headers by name, as they were written. Look-ups ignore the case.
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

// Verdict is what is to become of a message at its broker.
type Verdict int

const (
	Ack        Verdict = iota // it is stored: the broker may forget it
	Retry                     // it is not stored, and is to come again
	DeadLetter                // it never can be stored: it is to be put aside, with the reason
)

// Settlement is a message with its verdict.
type Settlement struct {
	Message Message
	Verdict Verdict
	Reason  string // of DeadLetter: why, in a sentence
}

// BatchMost is how many messages a batch should hold: they are stored in one statement.
const BatchMost = 500

// Source is where messages come from. One goroutine uses it: it receives a batch, has it stored, and
// settles it before it receives the next. Only Extend is called beside that. Nothing connects before the
// first of Check and Receive, and a connection that is lost is made again by the next Receive.
//
// What is received and not settled, whoever dies, comes again to this consumer or another. Messages that
// their broker keeps in order are received in that order, and again from the first one not acknowledged.
type Source interface {
	// Check connects, and tells what keeps the source from working: what does not exist, or may not be
	// read, or no place for dead letters. It takes no message.
	Check(ctx context.Context) error

	// Receive waits for messages, and returns as soon as there are some, BatchMost at most. It returns
	// an error, and then no messages, when ctx has ended or the broker cannot be reached.
	Receive(ctx context.Context) ([]Message, error)

	// Extend tells the broker that the messages, which are all of the last batch, are still worked on.
	// It is called every ExtendEvery. A broker that does not mind is told nothing.
	Extend(ctx context.Context, messages []Message) error

	// Settle carries out the verdicts on all messages of the last batch, in the order they were received.
	// A dead letter is at its place before its message is acknowledged, with its body, its headers and
	// the reason. No error: all is done, or the messages are another consumer's by now, or will come
	// again. After an error nothing has been acknowledged behind the first message that is neither
	// stored nor put aside, and Settle is called again with the same settlements, which may put a dead
	// letter down twice.
	Settle(ctx context.Context, settlements []Settlement) error

	// Close disconnects. What is not settled goes back to the broker.
	Close(ctx context.Context) error
}

// Sink stores messages; it is core's use case.
type Sink interface {
	// MessageIngestMany stores messages in the order they are given, and answers for each. One that is
	// known by its position, or event id, is not stored again.
	MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested
}

// Decoder reads a message. An error says why it can never be read.
type Decoder func(Message) (core.IngestIn, error)

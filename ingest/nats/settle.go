package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
)

// Acknowledgement replies: https://docs.nats.io/using-nats/developer/develop_jetstream/consumers
var (
	ack        = []byte("+ACK")
	nak        = []byte("-NAK")
	inProgress = []byte("+WPI")
)

// Headers that say where a dead letter comes from.
const (
	subjectHeader  = "postrider-subject"  // the subject it was published to
	streamHeader   = "postrider-stream"   // the stream it is in
	sequenceHeader = "postrider-sequence" // its sequence in the stream
)

// giveBack returns messages for immediate redelivery to the next pull of any consumer.
func (l *link) giveBack(batch []*delivery) {
	for _, d := range batch {
		// If this does not arrive, the message is redelivered after its ack wait.
		_ = l.conn.Publish(d.msg.Reply, nak)
	}
}

// settle carries out verdicts. Only the last one is confirmed: a server handles messages about a consumer in the
// order they arrive, and this connection either lasts from end to end or fails. So a batch takes one round trip
// instead of one per message.
func (l *link) settle(ctx context.Context, c Config, settlements []ingest.Settlement) error {
	for i, each := range settlements {
		d, ok := each.Message.Handle.(*delivery)
		if !ok {
			return errors.New("settle: the message is not of this source")
		}
		verb := ack
		switch each.Verdict {
		case ingest.Retry:
			verb, l.order.next = nak, 0
		case ingest.DeadLetter:
			if err := l.putAside(ctx, c, each, d); err != nil {
				return err
			}
		case ingest.Ack:
		}
		if err := l.tell(ctx, d, verb, i == len(settlements)-1); err != nil {
			return fmt.Errorf("settle: %w", l.explain(err))
		}
	}
	return nil
}

func (l *link) tell(ctx context.Context, d *delivery, verb []byte, confirmed bool) error {
	if !confirmed {
		return l.conn.Publish(d.msg.Reply, verb)
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := l.conn.RequestWithContext(ctx, d.msg.Reply, verb)
	return err
}

// known returns the settlements that the consumer, as this link found it, can carry out. On the link that the
// messages were received on, those are all. After that link was lost, the consumer may be another one of the same
// name, or a server that crashed may have forgotten the deliveries. The messages are then redelivered, and the server
// would not answer an acknowledgement of them now.
func (l *link) known(settlements []ingest.Settlement) (known []ingest.Settlement) {
	for _, each := range settlements {
		d, ok := each.Message.Handle.(*delivery)
		if ok && d.link != l && (!d.link.info.Created.Equal(l.info.Created) || d.sequence > l.info.Delivered.Stream) {
			continue
		}
		known = append(known, each)
	}
	return known
}

// putAside stores as much of a message as the server and the dead letter stream accept.
func (l *link) putAside(ctx context.Context, c Config, one ingest.Settlement, d *delivery) error {
	whole := ingest.Letter{Headers: len(d.msg.Header) > 0, Body: len(d.msg.Data)}
	return ingest.PutAside(l.log, one, whole, func(of ingest.Letter) error {
		if err := l.publish(ctx, deadLetter(d, c, of)); err != nil {
			return fmt.Errorf("dead_letter_subject %s: %w", c.DeadLetterSubject, err)
		}
		return nil
	})
}

// publish publishes a dead letter and waits until a stream has stored it.
func (l *link) publish(ctx context.Context, letter *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if size, most := letter.Size()-len(letter.Subject), int(l.conn.MaxPayload()); size > most {
		return ingest.TooLargeError{Err: fmt.Errorf("it has %d bytes; max_payload is %d", size, most), Over: size - most}
	}
	_, err := l.js.PublishMsg(ctx, letter)
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && tooLarge[refusal.ErrorCode] {
		return ingest.TooLargeError{Err: err}
	}
	if err != nil {
		err = l.explain(err)
	}
	return err
}

// tooLarge are the error codes about the size of a letter. A full stream returns others.
var tooLarge = map[jetstream.ErrorCode]bool{
	jetstream.JSErrCodeStreamMessageExceedsMaximum: true, // the stream's max_msg_size
	10097: true, // headers of more than 64 KiB
}

// deadLetter returns a message with the reason for its refusal, as far as that fits. If a letter is published again
// within the stream's duplicate window, the stream stores it only once.
func deadLetter(d *delivery, c Config, of ingest.Letter) *nats.Msg {
	letter := nats.NewMsg(c.DeadLetterSubject)
	letter.Data = d.msg.Data[:of.Body]
	if of.About == nil {
		return letter
	}
	for name, values := range d.msg.Header {
		if of.Headers && goesAlong(name) {
			letter.Header[name] = values
		}
	}
	for name, value := range of.About {
		letter.Header.Set(name, value)
	}
	letter.Header.Set(jetstream.MsgIDHeader, c.Consumer+"/"+d.position) // several consumers may refuse the same message
	letter.Header.Set(subjectHeader, d.msg.Subject)
	letter.Header.Set(streamHeader, strings.SplitN(d.link.stream, "/", 2)[0])
	letter.Header.Set(sequenceHeader, strconv.FormatUint(d.sequence, 10))
	return letter
}

// goesAlong reports whether a message's header is copied into its dead letter. NATS's own headers are not: they are
// instructions about a message, for example that it is a duplicate or expires. Nor are names that the library reads
// but refuses to write.
func goesAlong(name string) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	return !strings.HasPrefix(strings.ToLower(name), "nats-") && !strings.ContainsFunc(name, odd)
}

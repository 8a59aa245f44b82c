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

// What a server is told about a message: https://docs.nats.io/using-nats/developer/develop_jetstream/consumers
var (
	ack        = []byte("+ACK")
	nak        = []byte("-NAK")
	inProgress = []byte("+WPI")
)

// The headers of a dead letter besides its own and the reason.
const (
	subjectHeader  = "postrider-subject"  // what it was published to
	streamHeader   = "postrider-stream"   // where it is
	sequenceHeader = "postrider-sequence" // and under which number
	cutHeader      = "postrider-cut-from" // how many bytes its body had, if they do not fit
)

// giveBack hands messages out again, at once and to whoever pulls next.
func (l *link) giveBack(batch []*delivery) {
	for _, d := range batch {
		// If it does not arrive, the message is handed out again once its time is over.
		_ = l.conn.Publish(d.msg.Reply, nak)
	}
}

// settle carries out verdicts. Only the last one is confirmed: a server works off what it is told about a
// consumer in the order it came, and this connection is one from end to end, or fails. So a batch takes
// one round trip instead of one per message.
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
			if err := l.putAside(ctx, c, d, each.Reason); err != nil {
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

// known are the settlements that the consumer, as this link found it, can carry out. On the link that the
// messages came on those are all. After that was lost, the consumer may be another one of the same name,
// or a server that crashed may have forgotten that it delivered them: then they come again, and what it is
// told about them now it would not answer.
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

// putAside publishes a dead letter and waits until a stream has it. The stream keeps one that is published
// again within its window of duplicates only once.
func (l *link) putAside(ctx context.Context, c Config, d *delivery, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	letter := deadLetter(d, c.DeadLetterSubject, reason)
	id := c.Consumer + "/" + d.position // several consumers may refuse one message
	letter.Header.Set(jetstream.MsgIDHeader, id)
	fit(letter, int(l.conn.MaxPayload()))
	if _, err := l.js.PublishMsg(ctx, letter); err != nil {
		return fmt.Errorf("dead_letter_subject %s: %w", c.DeadLetterSubject, l.explain(err))
	}
	return nil
}

// deadLetter is a message with the reason why it is one.
func deadLetter(d *delivery, subject, reason string) *nats.Msg {
	letter := nats.NewMsg(subject)
	letter.Data = d.msg.Data
	for name, values := range d.msg.Header {
		if goesAlong(name) {
			letter.Header[name] = values
		}
	}
	letter.Header.Set(ingest.ReasonHeader, reason)
	letter.Header.Set(subjectHeader, d.msg.Subject)
	letter.Header.Set(streamHeader, strings.SplitN(d.link.stream, "/", 2)[0])
	letter.Header.Set(sequenceHeader, strconv.FormatUint(d.sequence, 10))
	return letter
}

// goesAlong tells whether a message's header goes into its dead letter. Those of the servers do not: they
// tell one what to do with a message, as that it is a duplicate or expires. Nor do names that the library
// reads and will not write.
func goesAlong(name string) bool {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	return !strings.HasPrefix(strings.ToLower(name), "nats-") && !strings.ContainsFunc(name, odd)
}

// fit makes a dead letter small enough for the server. A message may have been as large as that allows, and
// what is added to it would make one that can never be put aside, and stops the source. Its own headers
// go first, and then the end of its body; whole it is where it came from.
func fit(letter *nats.Msg, most int) {
	if payload(letter) <= most {
		return
	}
	for name := range letter.Header {
		if !strings.HasPrefix(name, "postrider-") && name != jetstream.MsgIDHeader {
			delete(letter.Header, name)
		}
	}
	if payload(letter) <= most {
		return
	}
	letter.Header.Set(cutHeader, strconv.Itoa(len(letter.Data)))
	letter.Data = letter.Data[:max(0, len(letter.Data)-(payload(letter)-most))]
}

// payload is what a message has of what a server limits: headers and body.
func payload(m *nats.Msg) int { return m.Size() - len(m.Subject) - len(m.Reply) }

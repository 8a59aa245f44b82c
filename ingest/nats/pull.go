package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
)

const (
	pullWithin = 5 * time.Second // how long a pull waits for its first message
	bytesMost  = 16 << 20        // per pull, including subjects and headers

	// lull is how long a pull waits for each message after the first. A server ends a pull when no messages are left,
	// but not when other processes hold so many messages of the consumer that it delivers no more. Waiting longer
	// would use up the ack wait of the messages that have arrived.
	lull = 200 * time.Millisecond
)

// delivery is one delivered message.
type delivery struct {
	msg      *nats.Msg
	link     *link
	sequence uint64 // the message's sequence in the stream
	count    uint64 // the consumer's delivery count over all its clients: starts at 1, without gaps
	position string
}

func (l *link) delivery(msg *nats.Msg) (*delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("what a message says about itself: %w", err)
	}
	return &delivery{
		msg: msg, link: l, sequence: meta.Sequence.Stream, count: meta.Sequence.Consumer,
		// The position includes the message's time because sequences may start over: a stream in memory whose cluster
		// was restarted, or one restored from a backup, keeps its creation time.
		position: fmt.Sprintf("%s/%d/%d", l.stream, meta.Sequence.Stream, meta.Timestamp.UnixNano()),
	}, nil
}

// pullRequest is the request for messages. With both no_wait and expires, the server waits for the first message,
// sends whatever else is available, and ends the pull. The library has no call for that: Fetch waits for a full
// batch, and FetchNoWait does not limit bytes.
type pullRequest struct {
	Batch    int           `json:"batch"`
	MaxBytes int           `json:"max_bytes,omitempty"`
	NoWait   bool          `json:"no_wait"`
	Expires  time.Duration `json:"expires"`
}

// These errors end a pull without messages or, in a lull, with some.
var (
	errTooLarge    = errors.New("the next message is larger than a batch may be")
	errOthersFirst = errors.New("what there is goes to pulls of other consumers")
	errLull        = errors.New("nothing more comes")
)

// pullRequest returns a request for a batch, or for less if the consumer limits requests or unacknowledged messages.
func (l *link) pullRequest() pullRequest {
	c := l.info.Config
	return pullRequest{
		Batch:    atMost(atMost(ingest.BatchMost, c.MaxRequestBatch), c.MaxAckPending),
		MaxBytes: atMost(bytesMost, c.MaxRequestMaxBytes),
		NoWait:   true,
		Expires:  atMost(pullWithin, c.MaxRequestExpires),
	}
}

// atMost returns n, or the limit if there is one and it is lower.
func atMost[N int | time.Duration](n, limit N) N {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// pull returns the available messages, waiting a while for the first. It may return none.
func (l *link) pull(ctx context.Context) ([]*delivery, error) {
	request := l.pullRequest()
	batch, err := l.pullOnce(ctx, request)
	if errors.Is(err, errTooLarge) {
		// The message is also too large to be stored, and becomes a dead letter.
		request.Batch, request.MaxBytes = 1, 0
		batch, err = l.pullOnce(ctx, request)
	}
	return batch, err
}

func (l *link) pullOnce(ctx context.Context, request pullRequest) ([]*delivery, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	inbox := l.conn.NewInbox()
	incoming := make(chan *nats.Msg, request.Batch+1) // room for all messages of a pull and its final status
	sub, err := l.conn.ChanSubscribe(inbox, incoming)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	next := fmt.Sprintf("%sCONSUMER.MSG.NEXT.%s.%s", jetstream.DefaultAPIPrefix, l.info.Stream, l.info.Name)
	if err := l.conn.PublishRequest(next, inbox, text); err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	batch, err := l.collect(ctx, incoming, request)
	if ctx.Err() != nil || errors.Is(err, errLull) {
		// Otherwise messages that arrived unseen would be missing until their ack wait is over.
		batch, err = append(batch, l.rest(ctx, sub, incoming)...), nil
	}
	if ctx.Err() != nil {
		l.giveBack(batch)
		return nil, ctx.Err()
	}
	_ = sub.Unsubscribe() // the pull has ended, or the connection
	return batch, err
}

// collect reads a pull's messages until the pull ends.
func (l *link) collect(ctx context.Context, incoming <-chan *nats.Msg, request pullRequest) (batch []*delivery, err error) {
	size, wait := 0, request.Expires+answerWithin
	for len(batch) < request.Batch && (request.MaxBytes == 0 || size < request.MaxBytes) {
		msg, err := l.next(ctx, incoming, wait)
		if errors.Is(err, context.DeadlineExceeded) && len(batch) > 0 {
			return batch, errLull
		}
		if err != nil {
			return batch, fmt.Errorf("pull: %w", l.explain(err))
		}
		if msg.Reply == "" { // only the server's status messages need no acknowledgement
			return batch, ending(msg, len(batch))
		}
		d, err := l.delivery(msg)
		if err != nil {
			return batch, err
		}
		batch, size, wait = append(batch, d), size+msg.Size(), lull
	}
	return batch, nil
}

// next waits for a message. The library's own call mistakes a published message without a body and with the header
// "Status: 503" for the server's "no responders" status.
func (l *link) next(ctx context.Context, incoming <-chan *nats.Msg, wait time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case msg := <-incoming:
		return msg, nil
	case <-l.closed:
		return nil, nats.ErrConnectionClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rest ends a pull before the server does, and returns the messages that were still on their way.
func (l *link) rest(ctx context.Context, sub *nats.Subscription, incoming <-chan *nats.Msg) (batch []*delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	// From here on the server sends no more, and once it answers, all messages on their way have arrived.
	_ = sub.Drain()
	_ = l.conn.FlushWithContext(ctx)
	for {
		select {
		case msg := <-incoming:
			if d, err := l.delivery(msg); err == nil {
				batch = append(batch, d)
			}
		default:
			return batch
		}
	}
}

// ending interprets the status that ended a pull of n messages.
func ending(msg *nats.Msg, brought int) error {
	code, text := msg.Header.Get("Status"), msg.Header.Get("Description")
	switch {
	case brought > 0, text == "Request Timeout", text == "Interest Expired":
		return nil
	case code == "404", code == "408":
		return errOthersFirst
	case text == "Message Size Exceeds MaxBytes":
		return errTooLarge
	case code == "503":
		return fmt.Errorf("pull: nobody answers for the consumer: %w", nats.ErrNoResponders)
	}
	return fmt.Errorf("pull: the server answers %s %s", code, text)
}

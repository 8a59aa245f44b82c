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
	pullWithin = 5 * time.Second // how long one pull waits for its first message
	bytesMost  = 16 << 20        // of one pull, with subjects and headers

	// lull is how long it waits for each message behind that. A server ends a pull when there is no more,
	// but not when others have so many messages of the consumer that no more may be out. To go on waiting
	// would use up the time of those that came.
	lull = 200 * time.Millisecond
)

// delivery is one message as it was delivered.
type delivery struct {
	msg      *nats.Msg
	link     *link
	sequence uint64 // in the stream
	count    uint64 // of the deliveries of its consumer, to whomever: the first is 1, and none is left out
	position string
}

func (l *link) delivery(msg *nats.Msg) (*delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("what a message says about itself: %w", err)
	}
	return &delivery{
		msg: msg, link: l, sequence: meta.Sequence.Stream, count: meta.Sequence.Consumer,
		// The time of the message is in it because sequences may begin again: a stream in memory whose
		// cluster was restarted, or one that was restored from a backup, is as old as it was.
		position: fmt.Sprintf("%s/%d/%d", l.stream, meta.Sequence.Stream, meta.Timestamp.UnixNano()),
	}, nil
}

// pullRequest is what a server is asked for messages with. With no_wait beside expires it waits for the
// first message, sends what else is there, and ends the pull. The library has no call for that: of its own,
// Fetch waits for a full batch, and FetchNoWait sets no bound to bytes.
type pullRequest struct {
	Batch    int           `json:"batch"`
	MaxBytes int           `json:"max_bytes,omitempty"`
	NoWait   bool          `json:"no_wait"`
	Expires  time.Duration `json:"expires"`
}

// What ends a pull that brought nothing, or in a lull something.
var (
	errTooLarge    = errors.New("the next message is larger than a batch may be")
	errOthersFirst = errors.New("what there is goes to pulls of other consumers")
	errLull        = errors.New("nothing more comes")
)

// pullRequest asks for a batch, or as much of one as the consumer allows to be asked for and to be out.
func (l *link) pullRequest() pullRequest {
	c := l.info.Config
	return pullRequest{
		Batch:    atMost(atMost(ingest.BatchMost, c.MaxRequestBatch), c.MaxAckPending),
		MaxBytes: atMost(bytesMost, c.MaxRequestMaxBytes),
		NoWait:   true,
		Expires:  atMost(pullWithin, c.MaxRequestExpires),
	}
}

// atMost is n, or a limit if there is one and it is less.
func atMost[N int | time.Duration](n, limit N) N {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// pull brings what there is, and waits for it for a while. It may bring nothing.
func (l *link) pull(ctx context.Context) ([]*delivery, error) {
	request := l.pullRequest()
	batch, err := l.pullOnce(ctx, request)
	if errors.Is(err, errTooLarge) {
		// It is too large to be stored as well, and goes to the dead letters.
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
	incoming := make(chan *nats.Msg, request.Batch+1) // all that a pull may bring, and how it ends
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
		// Messages that arrived unseen would be missing until their time is over.
		batch, err = append(batch, l.rest(ctx, sub, incoming)...), nil
	}
	if ctx.Err() != nil {
		l.giveBack(batch)
		return nil, ctx.Err()
	}
	_ = sub.Unsubscribe() // the pull has ended, or the connection
	return batch, err
}

// collect reads what a pull brings until it ends.
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
		if msg.Reply == "" { // only the server's own words want no acknowledgement
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

// next waits for a message. The library's own call takes one without a body that has the header "Status: 503"
// for its own word that nobody answers, whoever published it.
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

// rest ends a pull before the server does, and returns what was still on its way.
func (l *link) rest(ctx context.Context, sub *nats.Subscription, incoming <-chan *nats.Msg) (batch []*delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	// From here on the server sends no more, and what was on its way has come when it answers.
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

// ending is what the end of a pull means that brought so many messages.
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

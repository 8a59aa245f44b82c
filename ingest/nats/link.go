package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
)

const (
	// connectWithin is how long it may take to connect to one of the servers and find the consumer there.
	connectWithin = 10 * time.Second
	// answerWithin is how long a server may take for one answer.
	answerWithin = 5 * time.Second
)

// link is one connection, with the stream and consumer found on it. It is used until anything fails on it, and then a
// new one is made: the library's own reconnecting is off. Only on a connection that lasts do acknowledgements arrive
// in order and without gaps. A connection that is replaced in the middle of them loses some and delivers later ones.
type link struct {
	log      *slog.Logger
	conn     *nats.Conn
	closed   <-chan struct{} // closed with the connection
	js       jetstream.JetStream
	consumer jetstream.Consumer
	info     *jetstream.ConsumerInfo // the consumer when the connection was made
	stream   string                  // the stream's name and creation time
	order    order
}

// dialer adapts a function to the library's dialer interface, which has no context.
type dialer func(network, address string) (net.Conn, error)

func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// connect returns a new link.
func (s *Source) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	closed := make(chan struct{})
	conn, err := s.dial(ctx, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn, closed: closed, log: s.log}
	if err := s.bind(ctx, l); err != nil {
		err = l.explain(err)
		conn.Close()
		return nil, err
	}
	return l, nil
}

func (s *Source) dial(ctx context.Context, more ...nats.Option) (*nats.Conn, error) {
	var kept []func() bool
	dial := func(network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			// If a server accepts and then stays silent, the connection is closed when ctx ends.
			kept = append(kept, context.AfterFunc(ctx, func() { _ = conn.Close() }))
		}
		return conn, err
	}
	options := []nats.Option{
		nats.Name("postrider"), nats.NoReconnect(), nats.Timeout(answerWithin), nats.FlusherTimeout(answerWithin),
		nats.SetCustomDialer(dialer(dial)), nats.SkipHostLookup(), // the dialer resolves names and tries all addresses
		nats.ErrorHandler(func(conn *nats.Conn, _ *nats.Subscription, err error) {
			s.log.Warn("server reported an error", "error", err)
			if errors.Is(err, nats.ErrPermissionViolation) {
				conn.Close() // otherwise callers that wait for an answer wait in vain
			}
		}),
	}
	conn, err := nats.Connect(strings.Join(s.config.URLs, ","), slices.Concat(options, s.login(), more)...)
	for _, keep := range kept {
		keep()
	}
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("connect: %w", ctx.Err())
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("connect: the server refuses user and password, token or creds_file, or wants some: %w", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return nil, fmt.Errorf("connect: the server does not speak TLS; it needs no tls, nor tls:// in urls: %w", err)
	}
	// Servers that require TLS say so, and the client then uses it.
	return nil, fmt.Errorf("connect: %w", ingest.ExplainTLS(ctx, err, true, "tls"))
}

func (s *Source) login() (options []nats.Option) {
	c := s.config
	switch {
	case c.User != "":
		options = append(options, nats.UserInfo(c.User, c.Password))
	case c.Token != "":
		options = append(options, nats.Token(c.Token))
	case c.CredsFile != "":
		options = append(options, nats.UserCredentials(c.CredsFile))
	}
	if s.secure != nil {
		options = append(options, nats.Secure(s.secure))
	}
	return options
}

// explain adds an error that a server sent unprompted: a permission error is not sent as the response to the request
// that caused it.
func (l *link) explain(err error) error {
	if refusal := l.conn.LastError(); errors.Is(refusal, nats.ErrPermissionViolation) && !errors.Is(err, refusal) {
		return fmt.Errorf("%w (%w)", err, refusal)
	}
	return err
}

// bind looks up the stream and its consumer, and creates the consumer if it is missing.
func (s *Source) bind(ctx context.Context, l *link) (err error) {
	c := s.config
	if l.js, err = jetstream.New(l.conn); err != nil {
		return err
	}
	stream, err := l.js.Stream(ctx, c.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream: there is no %s", c.Stream)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", c.Stream, err)
	}
	l.stream = fmt.Sprintf("%s/%d", c.Stream, stream.CachedInfo().Created.UnixNano())

	l.consumer, err = stream.Consumer(ctx, c.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		l.consumer, err = stream.CreateConsumer(ctx, s.consumerConfig())
	}
	if errors.Is(err, jetstream.ErrNotPullConsumer) {
		return fmt.Errorf("consumer: %s is a push consumer, and has to be a pull consumer", c.Consumer)
	}
	if err != nil {
		return fmt.Errorf("consumer %s: %w", c.Consumer, err)
	}
	l.info = l.consumer.CachedInfo()
	l.order = newOrder(longestWait(l.info.Config), s.log)
	return s.checkConsumer(l.info.Config)
}

// consumerConfig returns the configuration of a consumer that we create.
func (s *Source) consumerConfig() jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		Durable:       s.config.Consumer,
		Description:   "made by Postrider",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       s.ackWait,
		MaxDeliver:    -1,
		// One batch: while the batch of a consumer that died waits for redelivery, no newer messages are delivered
		// only to be returned.
		MaxAckPending: ingest.BatchMost,
	}
	// Servers before 2.10 support one filter only.
	if filters := s.config.Subjects; len(filters) == 1 {
		config.FilterSubject = filters[0]
	} else {
		config.FilterSubjects = filters
	}
	return config
}

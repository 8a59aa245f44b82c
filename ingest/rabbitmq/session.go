package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

const (
	// The connection's name in RabbitMQ's management interface.
	connectionName = "postrider"
	outletName     = "postrider dead letters"

	// heartbeat is how often each side tells the other that it is alive, unless the broker wants it more often. The
	// library gives up when it has received nothing for one and a half times as long.
	heartbeat = 10 * time.Second
)

// session is a connection with a channel. If anything fails on it, it is closed and a new one is made. The library's
// own reconnecting is off, since messages received on a channel can be settled only on that channel.
//
// The library's calls take no context. They wait for an answer, or until the broker reads, for as long as the
// connection lasts. Each call has a time limit, and closing the connection ends it.
type session struct {
	conn    *amqp.Connection
	channel *amqp.Channel
	closed  chan *amqp.Error // why the channel is closed, once it is
	socket  net.Conn
	timeout time.Duration
}

// open connects and opens a channel.
func (s *Source) open(ctx context.Context, name string) (*session, error) {
	session := &session{timeout: s.timeout}
	if err := session.dial(ctx, s, name); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	err := session.within(ctx, func() (err error) {
		if session.channel, err = session.conn.Channel(); err == nil {
			session.closed = session.channel.NotifyClose(make(chan *amqp.Error, 1))
		}
		return err
	})
	if err != nil {
		_ = session.close(ctx)
		return nil, fmt.Errorf("open a channel: %w", explained(err))
	}
	return session, nil
}

func (s *session) dial(ctx context.Context, source *Source, name string) error {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	socket, err := new(net.Dialer).DialContext(limited, "tcp", source.address())
	if err == nil {
		s.socket = socket
		stop := context.AfterFunc(limited, func() { _ = socket.Close() })
		s.conn, err = source.login(limited, socket, name)
		if intime := stop(); err == nil && intime {
			return nil
		}
		_ = socket.Close() // the library leaves it open if the login fails
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("there was no answer within %s", s.timeout)
	}
	explanation := ingest.ExplainTLS(ctx, err, source.tls != nil, "amqps:// in url", source.address())
	switch {
	case explanation != err: //nolint:errorlint // the same one, or one around it
		return explanation
	case errors.Is(err, amqp.ErrCredentials):
		return errors.New("the broker hung up at the login: user or password in url are wrong, most likely")
	}
	return explained(err)
}

// address returns the broker's address.
func (s *Source) address() string {
	uri := s.uri()
	return net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
}

func (s *Source) uri() amqp.URI {
	uri, _ := amqp.ParseURI(s.config.URL) // validated before
	return uri
}

// login makes a connection from a socket, with TLS if configured.
func (s *Source) login(ctx context.Context, socket net.Conn, name string) (*amqp.Connection, error) {
	uri := s.uri()
	if s.tls != nil {
		secure := s.tls.Clone()
		secure.ServerName = cmp.Or(secure.ServerName, uri.Host)
		client := tls.Client(socket, secure)
		if err := client.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		socket = client
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	return amqp.Open(newReadable(socket), amqp.Config{
		SASL: []amqp.Authentication{uri.PlainAuth()}, Vhost: uri.Vhost, Locale: "en_US",
		Properties: properties, Heartbeat: heartbeat,
		FrameSize: amqp.FrameSizeUnlimited, // the broker's own frame_max still applies
	})
}

// within makes a call, and closes the connection if the call takes too long or ctx ends.
func (s *session) within(ctx context.Context, call func() error) error {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	stop := context.AfterFunc(limited, func() { _ = s.socket.Close() })
	err := call()
	switch {
	case stop():
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("there was no answer within %s", s.timeout)
}

// lost reports whether the session is unusable.
func (s *session) lost() bool { return s.channel.IsClosed() }

// reason returns why the channel is closed, or nil if it is open or we closed it ourselves.
func (s *session) reason() error {
	if exception := s.exception(); exception != nil {
		return explained(exception)
	}
	return nil
}

func (s *session) exception() *amqp.Error {
	select {
	case exception := <-s.closed:
		return exception
	default:
		return nil
	}
}

// close closes the channel properly, so that the broker requeues unacknowledged messages at once, and disconnects.
func (s *session) close(ctx context.Context) error {
	err := s.within(ctx, s.conn.Close)
	if errors.Is(err, amqp.ErrClosed) {
		return nil
	}
	return err
}

// explained rewords the library's errors for users.
func explained(err error) error {
	e, ok := errors.AsType[*amqp.Error](err)
	switch {
	case !ok:
		return err
	case e.Server:
		return fmt.Errorf("the broker says %d %s", e.Code, e.Reason)
	}
	return fmt.Errorf("the connection is lost: %s", e.Reason)
}

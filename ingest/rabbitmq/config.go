package rabbitmq

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// Config configures one queue, as written in the configuration. Its account needs permission to read the queue, and
// to write to the dead letter exchange.
//
// Every message must have a unique message_id property, by which redelivered messages are recognised. A redelivered
// message without it is stored again, unless it has an event id.
//
// The queue's order is kept as long as it has a single consumer. With the argument x-single-active-consumer RabbitMQ
// enforces that, however many consumers are connected. Without it there are two for a moment whenever a connection
// breaks, until RabbitMQ notices.
//
// By default, RabbitMQ 4 gives up on a message of a quorum queue after 20 deliveries, and each consumer that dies or
// stops with a message in hand counts. Such a queue needs the policy delivery-limit -1, or a dead-letter exchange of
// its own; otherwise messages are lost.
//
// RabbitMQ closes the channel of a consumer that holds a message for longer than its consumer_timeout, 30 minutes by
// default, as happens when the database is down for longer. That neither loses messages nor stores them twice.
type Config struct {
	// URL is RabbitMQ's address with the account and the virtual host:
	// amqps://user:password@rabbitmq.example.com:5671/vhost. Required. It begins with amqps:// for TLS, or with
	// amqp://. Characters with a meaning in URLs are percent-encoded, for example a slash in a password as %2F.
	// Default port: 5671 with TLS, else 5672. Default account: guest with the password guest. Default virtual host:
	// /.
	URL string `json:"url"`

	// Queue is the name of the queue to consume, a classic or a quorum queue, but not a stream. Required. It must
	// exist.
	Queue string `json:"queue"`

	// DeadLetterExchange is the name of the exchange that receives messages that can never be stored. It must exist
	// and route each of them to a queue: as long as it does not, nothing more is consumed from Queue. Default: the
	// default exchange, which requires dead_letter_routing_key.
	DeadLetterExchange string `json:"dead_letter_exchange"`

	// DeadLetterRoutingKey is the routing key of dead letters. With the default exchange it is the name of their
	// queue. Default: each message's own routing key.
	DeadLetterRoutingKey string `json:"dead_letter_routing_key"`

	// Prefetch is how many unacknowledged messages RabbitMQ sends ahead, 1 to 65535. Default: 1000, which is two
	// batches: one is stored while another is on its way. All of them are in memory, so queues with messages of
	// megabytes need fewer.
	Prefetch int `json:"prefetch"`

	// TLS configures TLS to a broker whose URL begins with amqps://. Default: the system's certificate authorities,
	// and no client certificate.
	TLS *ingest.TLS `json:"tls"`
}

const (
	prefetchDefault = 2 * ingest.BatchMost
	prefetchMost    = math.MaxUint16

	// nameBytesMost is the longest name or routing key in AMQP.
	nameBytesMost = 255

	secureScheme = "amqps"
)

// settings are the validated values of a Config.
type settings struct {
	Config
	tls *tls.Config // nil: no TLS
}

// read validates a Config and returns everything that is wrong with it.
func (c Config) read() (s settings, err error) {
	s.Config = c
	s.Prefetch = cmp.Or(c.Prefetch, prefetchDefault)
	secure, urlErr := c.url()
	var tlsErr, prefetchErr error
	switch {
	case c.TLS != nil && !secure && urlErr == nil:
		tlsErr = errors.New("tls: it wants a url that begins with amqps://")
	case c.TLS != nil:
		s.tls, tlsErr = c.TLS.Config()
	case secure:
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if s.Prefetch < 1 || s.Prefetch > prefetchMost {
		prefetchErr = fmt.Errorf("prefetch: %d is not between 1 and %d", s.Prefetch, prefetchMost)
	}
	return s, errors.Join(urlErr, c.queue(), c.deadLetters(), prefetchErr, tlsErr)
}

// url reports whether the URL asks for TLS. Its errors do not quote the URL, which contains a password.
func (c Config) url() (secure bool, err error) {
	if c.URL == "" {
		return false, errors.New("url: it is required")
	}
	u, err := url.Parse(c.URL)
	if err == nil {
		_, err = amqp.ParseURI(c.URL)
	}
	if err != nil || u.Hostname() == "" || !isPort(u.Port()) {
		return false, errors.New("url: it is not amqps://user:password@host:port/vhost, in which :, /, ?, #, [, ], @ and % " +
			"of user, password and vhost are written as %XX")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return false, errors.New("url: there is something behind ? or #, which cannot be set there")
	}
	if password, _ := u.User.Password(); u.User != nil && (u.User.Username() == "" || password == "") {
		return false, errors.New("url: user and password go together")
	}
	return u.Scheme == secureScheme, nil
}

func isPort(text string) bool {
	if text == "" {
		return true // the default
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

func (c Config) queue() error {
	if c.Queue == "" {
		return errors.New("queue: it is required")
	}
	return fits("queue", c.Queue)
}

func (c Config) deadLetters() error {
	var err error
	switch {
	case c.DeadLetterExchange != "":
	case c.DeadLetterRoutingKey == "":
		err = errors.New("dead_letter_exchange: it is required, or dead_letter_routing_key with the name of a queue")
	case c.DeadLetterRoutingKey == c.Queue:
		err = fmt.Errorf("dead_letter_routing_key: %q is queue, and its dead letters would come back", c.Queue)
	}
	return errors.Join(err,
		fits("dead_letter_exchange", c.DeadLetterExchange), fits("dead_letter_routing_key", c.DeadLetterRoutingKey))
}

func fits(field, name string) error {
	if len(name) > nameBytesMost {
		return fmt.Errorf("%s: it is %d bytes long, and may have %d", field, len(name), nameBytesMost)
	}
	return nil
}

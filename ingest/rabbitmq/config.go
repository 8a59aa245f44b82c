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

// Config is one queue, as it is written in the configuration. Its account needs the permission to read
// the queue, and to write to the exchange for dead letters.
//
// Messages have to carry the property message_id, another one each: by it a message that RabbitMQ hands out
// again is recognised. One without it is then stored again, unless it has an event id.
//
// The queue's order is kept as long as one consumer takes from it. With the argument x-single-active-consumer
// RabbitMQ sees to that, however many consumers there are. Without it there are two for a moment
// whenever a connection breaks, until RabbitMQ notices.
//
// RabbitMQ 4 by default gives a message of a quorum queue up once it was handed out 20 times, and each
// consumer that dies or stops with a message in hand counts. Such a queue needs the policy delivery-limit -1, or
// a dead-letter exchange of its own; else messages are lost.
//
// RabbitMQ closes the channel of a consumer that keeps a message for longer than its consumer_timeout, 30
// minutes by default, as happens when the database is away for longer. Nothing is lost or stored twice by that.
type Config struct {
	// URL is where RabbitMQ is, with the account and the virtual host:
	// amqps://user:password@rabbitmq.example.com:5671/vhost. Required. It begins with amqps:// for TLS, or with
	// amqp://. What has a meaning in URLs is written as %XX in it, a slash in a password as %2F say. Default port:
	// 5671 with TLS, else 5672. Default account: guest with the password guest. Default virtual host: /.
	URL string `json:"url"`

	// Queue is the name of the queue to take messages from, a classic or a quorum queue, but no stream.
	// Required. It has to exist.
	Queue string `json:"queue"`

	// DeadLetterExchange is the name of the exchange that takes the messages which can never be stored.
	// It has to exist, and to route each of them to a queue: as long as it does not, nothing more is taken from
	// Queue. Default: the default exchange, with which dead_letter_routing_key is required.
	DeadLetterExchange string `json:"dead_letter_exchange"`

	// DeadLetterRoutingKey is what dead letters are published with. With the default exchange that is the
	// name of the queue for them. Default: what each message itself was published with.
	DeadLetterRoutingKey string `json:"dead_letter_routing_key"`

	// Prefetch is how many messages RabbitMQ hands out ahead of their acknowledgements, 1 to 65535. Default: 1000,
	// which is two batches: one is stored while another is on its way. All of them are in memory, so that queues
	// with messages of megabytes want less.
	Prefetch int `json:"prefetch"`

	// TLS is how a broker is spoken to whose URL begins with amqps://. Default: with the system's certificate
	// authorities, and no certificate of ours.
	TLS *ingest.TLS `json:"tls"`
}

const (
	prefetchDefault = 2 * ingest.BatchMost
	prefetchMost    = math.MaxUint16

	// nameBytesMost is what a name or routing key may have in AMQP.
	nameBytesMost = 255

	secureScheme = "amqps"
)

// settings are what a Config says.
type settings struct {
	Config
	tls *tls.Config // nil: no TLS
}

// read reads a Config, with all there is to say against it.
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

// url tells whether the URL asks for TLS. It quotes nothing: there is a password in it.
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

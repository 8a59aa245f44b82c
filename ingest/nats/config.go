package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/postrider/postrider/ingest"
)

// Config is a stream to consume, as it is written in the configuration.
type Config struct {
	// URLs are the servers of one cluster, each nats://HOST:PORT or tls://HOST:PORT. Any of them will do,
	// and one is tried after the other, so name several.
	URLs []string `json:"urls"`

	// Stream is the name of the stream, which has to exist.
	Stream string `json:"stream"`
	// Consumer is the name of its durable consumer: pull, with explicit acknowledgement and without a
	// limit of deliveries. It is made if there is none.
	Consumer string `json:"consumer"`
	// Subjects are those to take, with wildcards if need be. None are all of the stream. They have to be
	// those that the consumer filters by.
	Subjects []string `json:"subjects"`
	// DeadLetterSubject is where messages go that never can be stored. A stream has to capture it, and
	// the consumer must not take from it.
	DeadLetterSubject string `json:"dead_letter_subject"`
	// AckWait is how long a message waits for a consumer that is lost, as "90s" or "2m": 30s to 1h, by
	// default 60s. It is what a consumer is made with; one that exists keeps its own, of 30s at least.
	AckWait string `json:"ack_wait"`

	// To log in, one of these, or none: a user with a password, a token, or a file of credentials (a JWT
	// with its seed) as the tool nsc writes it. That file is read each time a connection is made.
	User      string `json:"user"`
	Password  string `json:"password"`
	Token     string `json:"token"`
	CredsFile string `json:"creds_file"`

	// TLS is how servers are verified, and what we show them. A server that wants TLS gets it without
	// this too, as long as the system trusts its certificate.
	TLS *ingest.TLS `json:"tls"`

	ackWaitLeast time.Duration // of a test that cannot wait; 0: ackWaitLeast
}

const (
	ackWaitDefault = 60 * time.Second
	ackWaitMost    = time.Hour

	// ackWaitLeast is three times what a batch is extended every: one extension may be lost.
	ackWaitLeast = 3 * ingest.ExtendEvery
)

// New makes the source of a configuration, or says all that is wrong with that. It connects to nothing.
func New(c Config, log *slog.Logger) (*Source, error) {
	if c.ackWaitLeast == 0 {
		c.ackWaitLeast = ackWaitLeast
	}
	ackWait, errWait := c.ackWait()
	secure, errTLS := c.TLS.Config()
	if err := errors.Join(c.checkURLs(), c.checkNames(), c.checkSubjects(), errWait, c.checkLogin(), errTLS); err != nil {
		return nil, err
	}
	return &Source{config: c, ackWait: ackWait, secure: secure, log: log}, nil
}

func (c Config) ackWait() (time.Duration, error) {
	if c.AckWait == "" {
		return ackWaitDefault, nil
	}
	wait, err := time.ParseDuration(c.AckWait)
	if err != nil || wait < c.ackWaitLeast || wait > ackWaitMost {
		return 0, fmt.Errorf("ack_wait: %q is not a duration of %s to %s", c.AckWait, c.ackWaitLeast, ackWaitMost)
	}
	return wait, nil
}

func (c Config) checkURLs() error {
	if len(c.URLs) == 0 {
		return errors.New("urls: it needs one server at least, as nats://HOST:PORT")
	}
	var errs []error
	for i, text := range c.URLs {
		// The text stays out of what is said: somebody may have written a password into it.
		u, err := url.Parse(text)
		switch {
		case err != nil || (u.Scheme != "nats" && u.Scheme != "tls") || u.Hostname() == "" || strings.Contains(text, ","):
			errs = append(errs, fmt.Errorf("urls: number %d is neither nats://HOST:PORT nor tls://HOST:PORT", i+1))
		case u.User != nil:
			errs = append(errs, fmt.Errorf("urls: number %d has a login in it, which belongs into user and password, or token", i+1))
		}
	}
	return errors.Join(errs...)
}

func (c Config) checkNames() error {
	var errs []error
	for _, each := range [][2]string{{"stream", c.Stream}, {"consumer", c.Consumer}} {
		// A name is one token of the subjects that a client speaks to a server by.
		if field, name := each[0], each[1]; name == "" || strings.ContainsAny(name, `.*>/\`) || strings.ContainsFunc(name, unprintable) {
			errs = append(errs, fmt.Errorf(`%s: %q is no name: it needs something without ., *, >, /, \ and spaces`, field, name))
		}
	}
	return errors.Join(errs...)
}

func (c Config) checkSubjects() error {
	var errs []error
	for _, filter := range c.Subjects {
		if !isFilter(filter) {
			errs = append(errs, fmt.Errorf("subjects: %q is no subject", filter))
		}
	}
	if s := c.DeadLetterSubject; !isFilter(s) || strings.ContainsAny(s, "*>") {
		errs = append(errs, fmt.Errorf("dead_letter_subject: %q is no subject to publish to", s))
	}
	return errors.Join(errs...)
}

func (c Config) checkLogin() error {
	var errs []error
	if (c.User == "") != (c.Password == "") {
		errs = append(errs, errors.New("user and password go together"))
	}
	ways := 0
	for _, is := range []bool{c.User != "" || c.Password != "", c.Token != "", c.CredsFile != ""} {
		if is {
			ways++
		}
	}
	if ways > 1 {
		errs = append(errs, errors.New("user and password, token, and creds_file exclude each other"))
	}
	if c.CredsFile != "" {
		if _, err := os.ReadFile(c.CredsFile); err != nil {
			errs = append(errs, fmt.Errorf("creds_file: %w", err))
		}
	}
	return errors.Join(errs...)
}

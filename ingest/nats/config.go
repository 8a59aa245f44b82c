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

// Config configures the consumption of a stream, as written in the configuration.
type Config struct {
	// URLs are the servers of one cluster, each nats://HOST:PORT or tls://HOST:PORT. They are tried in turn, so list
	// several.
	URLs []string `json:"urls"`

	// Stream is the name of the stream. It must exist.
	Stream string `json:"stream"`
	// Consumer is the name of the stream's durable consumer: pull, with explicit acknowledgement and no delivery limit.
	// It is created if it is missing.
	Consumer string `json:"consumer"`
	// Subjects to consume, with wildcards if needed; empty: the whole stream. They must equal the consumer's filter
	// subjects.
	Subjects []string `json:"subjects"`
	// DeadLetterSubject receives messages that can never be stored. A stream must capture it, and the consumer must not
	// consume it.
	DeadLetterSubject string `json:"dead_letter_subject"`
	// AckWait is how long a message waits for a lost consumer: 30s to 1h, such as 90s or 2m. Default: 60s. It applies
	// to a consumer that Postrider creates; an existing one keeps its own, which must be at least 30s.
	AckWait string `json:"ack_wait"`

	// Set one of these to log in, or none: a user with a password, a token, or a credentials file (a JWT with its
	// seed) as written by nsc. The file is read each time a connection is made.
	User      string `json:"user"`
	Password  string `json:"password"`
	Token     string `json:"token"`
	CredsFile string `json:"creds_file"`

	// TLS configures how servers are verified and which certificate we present. A server that requires TLS gets it
	// without this setting too, if the system trusts its certificate.
	TLS *ingest.TLS `json:"tls"`

	ackWaitLeast time.Duration // for tests that cannot wait; 0: ackWaitLeast
}

const (
	ackWaitDefault = 60 * time.Second
	ackWaitMost    = time.Hour

	// ackWaitLeast is three times the interval of extensions, so that one extension may be lost.
	ackWaitLeast = 3 * ingest.ExtendEvery
)

// New returns a source, or an error with everything that is wrong with the configuration. It opens no connection.
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
		// The error does not quote the URL, which may contain a password.
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
		// A name is one token of the subjects that a client sends API requests to.
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

package kafka

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/postrider/postrider/ingest"
)

// Config configures a consumer of topics, as written in the configuration. Its account needs Read on the topics and the
// group, and Write on the dead letter topic; before Kafka 2.8 also IdempotentWrite on the cluster.
type Config struct {
	// Brokers are addresses of the cluster, as host:port. Required. One is enough to discover the others; two or three
	// also work while one is down.
	Brokers []string `json:"brokers"`

	// Topics are the topics to read. Required. They must exist.
	Topics []string `json:"topics"`

	// Group is the consumer group, up to 249 bytes. Required. The processes of one installation share the group and
	// thereby the partitions; other readers of the topics need groups of their own.
	Group string `json:"group"`

	// DeadLetterTopic receives messages that can never be stored. Required. It must exist and must not be one of
	// Topics. Its max.message.bytes should be slightly larger than theirs, since a dead letter is its message plus
	// headers with the reason.
	DeadLetterTopic string `json:"dead_letter_topic"`

	// Start is where the group begins in a topic without committed offsets: earliest, the default, or latest, the
	// current end of each partition. Partitions that are added later, and topics that are deleted and recreated, are
	// read from their start.
	Start string `json:"start"`

	// SessionTimeout is how long the group waits for a silent process before it assigns the partitions to others: 6s to
	// 30m, unless the brokers have other limits. Default: 45s.
	SessionTimeout string `json:"session_timeout"`

	// TLS configures TLS to the brokers. Default: no TLS.
	TLS *ingest.TLS `json:"tls"`

	// SASL is the account. Default: none.
	SASL *SASL `json:"sasl"`
}

// SASL is the account to log in with.
type SASL struct {
	// Mechanism is plain, scram-sha-256 or scram-sha-512. Required.
	Mechanism string `json:"mechanism"`

	// Username and Password are the account's. Required.
	Username string `json:"username"`
	Password string `json:"password"`
}

const (
	earliest = "earliest"
	latest   = "latest"

	plainText = "plain"

	sessionTimeoutDefault = 45 * time.Second
	sessionTimeoutLeast   = 6 * time.Second // the brokers' own limits by default
	sessionTimeoutMost    = 30 * time.Minute
)

// settings are the validated values of a Config.
type settings struct {
	Config
	session   time.Duration
	tls       *tls.Config    // nil: no TLS
	mechanism sasl.Mechanism // nil: no SASL
}

// read validates a Config and returns everything that is wrong with it.
func (c Config) read() (s settings, err error) {
	s.Config = c
	s.Start = cmp.Or(c.Start, earliest)
	var startErr, sessionErr, tlsErr, saslErr error
	if s.Start != earliest && s.Start != latest {
		startErr = fmt.Errorf("start: %q is neither earliest nor latest", c.Start)
	}
	s.session, sessionErr = c.sessionTimeout()
	s.tls, tlsErr = c.TLS.Config()
	if c.SASL != nil {
		s.mechanism, saslErr = c.SASL.mechanism()
	}
	return s, errors.Join(c.brokers(), c.topics(), c.group(), c.deadLetterTopic(), startErr, sessionErr, tlsErr, saslErr)
}

func (c Config) sessionTimeout() (time.Duration, error) {
	if c.SessionTimeout == "" {
		return sessionTimeoutDefault, nil
	}
	timeout, err := time.ParseDuration(c.SessionTimeout)
	if err != nil || timeout < sessionTimeoutLeast || timeout > sessionTimeoutMost {
		return 0, fmt.Errorf("session_timeout: %q is no duration of %s to %s", c.SessionTimeout, sessionTimeoutLeast, sessionTimeoutMost)
	}
	return timeout, nil
}

func (c Config) brokers() error {
	if len(c.Brokers) == 0 {
		return errors.New("brokers: at least one is required")
	}
	var problems []error
	for _, address := range c.Brokers {
		host, port, err := net.SplitHostPort(address)
		number, notNumber := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || notNumber != nil || number == 0 {
			problems = append(problems, fmt.Errorf("brokers: %q is not host:port, such as kafka-1:9092", address))
		}
	}
	return errors.Join(problems...)
}

// topicName matches the names that Kafka allows for a topic; Kafka also refuses "." and "..".
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func isTopic(name string) bool { return topicName.MatchString(name) && name != "." && name != ".." }

func (c Config) topics() error {
	if len(c.Topics) == 0 {
		return errors.New("topics: at least one is required")
	}
	var problems []error
	for i, topic := range c.Topics {
		if !isTopic(topic) {
			problems = append(problems, fmt.Errorf("topics: %q cannot be the name of a topic", topic))
		}
		if slices.Index(c.Topics, topic) < i {
			problems = append(problems, fmt.Errorf("topics: %q is there twice", topic))
		}
	}
	return errors.Join(problems...)
}

// groupMost is less than Kafka's limit, and fits into the names of metrics and files.
const groupMost = 249

func (c Config) group() error {
	if c.Group == "" {
		return errors.New("group: it is required")
	}
	if len(c.Group) > groupMost {
		return fmt.Errorf("group: it is %d bytes long, and may have %d", len(c.Group), groupMost)
	}
	return nil
}

func (c Config) deadLetterTopic() error {
	switch {
	case c.DeadLetterTopic == "":
		return errors.New("dead_letter_topic: it is required")
	case !isTopic(c.DeadLetterTopic):
		return fmt.Errorf("dead_letter_topic: %q cannot be the name of a topic", c.DeadLetterTopic)
	case slices.Contains(c.Topics, c.DeadLetterTopic):
		return fmt.Errorf("dead_letter_topic: %q is one of topics, and its dead letters would come back", c.DeadLetterTopic)
	}
	return nil
}

func (s *SASL) mechanism() (mechanism sasl.Mechanism, err error) {
	switch s.Mechanism {
	case plainText:
		mechanism = plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism()
	case "scram-sha-256":
		mechanism = scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism()
	case "scram-sha-512":
		mechanism = scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism()
	default:
		err = fmt.Errorf("sasl.mechanism: %q is none of plain, scram-sha-256 and scram-sha-512", s.Mechanism)
	}
	var userErr, passwordErr error
	if s.Username == "" {
		userErr = errors.New("sasl.username: it is required")
	}
	if s.Password == "" {
		passwordErr = errors.New("sasl.password: it is required")
	}
	return mechanism, errors.Join(err, userErr, passwordErr)
}

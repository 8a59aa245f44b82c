package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"regexp"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/kafka"
	"github.com/postrider/postrider/ingest/nats"
	"github.com/postrider/postrider/ingest/outbox"
	"github.com/postrider/postrider/ingest/rabbitmq"
	"github.com/postrider/postrider/ingest/sqs"
)

// sourceConfig is the configuration of one source: one of the brokers, and the format of its messages.
type sourceConfig struct {
	Name         string     `json:"name"`
	Organization core.OrgID `json:"organization"`
	ingest.Format

	Kafka    *kafka.Config    `json:"kafka"`
	SQS      *sqs.Config      `json:"sqs"`
	RabbitMQ *rabbitmq.Config `json:"rabbitmq"`
	NATS     *nats.Config     `json:"nats"`
	Outbox   *struct{}        `json:"outbox"`
}

// outboxSource is the default configuration of sources.
const outboxSource = "sources: [{name: outbox, outbox: {}}]"

const (
	sourcesMost      = 100
	sourcesBytesMost = 1 << 20
)

// sources reads the configuration of the sources, and returns everything that is wrong with it and can be detected
// without a network.
func (c *Config) sources() ([]sourceConfig, error) {
	text, err := c.sourcesText()
	if err != nil {
		return nil, err
	}
	listed, err := listSources(text)
	if err != nil {
		return nil, err
	}
	var errs []error
	names := map[string]bool{}
	sources := make([]sourceConfig, len(listed))
	for i, one := range listed {
		s, err := readSource(one)
		if err == nil && names[s.Name] {
			err = errors.New("another source has the same name")
		}
		if err == nil {
			_, err = s.open(nil, slog.New(slog.DiscardHandler))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("source %d (%s): %w", i+1, s.Name, err))
		}
		names[s.Name], sources[i] = true, s
	}
	return sources, errors.Join(errs...)
}

// sourcesSetting is the variable that the sources come from.
func (c *Config) sourcesSetting() string {
	if c.Sources != "" {
		return "POSTRIDER_SOURCES"
	}
	return "POSTRIDER_SOURCES_FILE"
}

func (c *Config) sourcesText() ([]byte, error) {
	switch {
	case c.SourcesFile != "" && c.Sources != "":
		return nil, errors.New("POSTRIDER_SOURCES_FILE and POSTRIDER_SOURCES are both set; set one of them")
	case c.SourcesFile != "":
		text, err := os.ReadFile(c.SourcesFile)
		if len(text) > sourcesBytesMost {
			err = fmt.Errorf("%s is larger than %d bytes", c.SourcesFile, sourcesBytesMost)
		}
		return text, err
	case c.Sources != "":
		return []byte(c.Sources), nil
	}
	return []byte(outboxSource), nil
}

func listSources(text []byte) ([]json.RawMessage, error) {
	text, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	var file struct {
		Sources []json.RawMessage `json:"sources"`
	}
	if err := decodeStrictly(text, &file); err != nil {
		return nil, err
	}
	if n := len(file.Sources); n == 0 || n > sourcesMost {
		return nil, fmt.Errorf("sources: %d are listed; list 1 to %d", n, sourcesMost)
	}
	return file.Sources, nil
}

// decodeStrictly rejects unknown fields: a misspelt setting must not be ignored.
func decodeStrictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func readSource(text json.RawMessage) (s sourceConfig, err error) {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return s, err
	}
	s.Name, _ = fields["name"].(string) // for errors about the rest
	value, err := expanded(fields)
	if err != nil {
		return s, err
	}
	if text, err = json.Marshal(value); err != nil {
		return s, err
	}
	if err := decodeStrictly(text, &s); err != nil {
		return s, err
	}
	if s.Organization == "" {
		s.Organization = defaultOrg
	}
	return s, s.validate()
}

var (
	sourceName = regexp.MustCompile(`^[a-zA-Z0-9\-_.]{1,64}$`)
	variable   = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
)

// expanded replaces ${NAME} in all texts by the values of variables, so that a file need not contain secrets. A
// variable that is not set is an error.
func expanded(value any) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		return variable.ReplaceAllStringFunc(v, func(match string) string {
			name := variable.FindStringSubmatch(match)[1]
			text, set := os.LookupEnv(name)
			if !set {
				err = fmt.Errorf("the environment variable %s is not set", name)
			}
			return text
		}), err
	case []any:
		for i := range v {
			if v[i], err = expanded(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = expanded(v[key]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

func (s sourceConfig) validate() error {
	brokers := 0
	for _, is := range []bool{s.Kafka != nil, s.SQS != nil, s.RabbitMQ != nil, s.NATS != nil, s.Outbox != nil} {
		if is {
			brokers++
		}
	}
	switch {
	case !sourceName.MatchString(s.Name):
		return errors.New("name: use 1 to 64 letters, digits, dots, dashes and underscores")
	case !core.IsOrgID(string(s.Organization)):
		return fmt.Errorf("organization: %q is not an organisation id; ids begin with org_", s.Organization)
	case brokers != 1:
		return errors.New("set exactly one of kafka, sqs, rabbitmq, nats and outbox")
	case s.Outbox != nil && (s.Organization != defaultOrg || s.Format != ingest.Format{}):
		return errors.New("outbox: remove organization and the format; the columns of the table have both")
	}
	return nil
}

// kind returns the source's type, as it is written in the configuration.
func (s sourceConfig) kind() string {
	switch {
	case s.Outbox != nil:
		return "outbox"
	case s.Kafka != nil:
		return "kafka"
	case s.SQS != nil:
		return "sqs"
	case s.RabbitMQ != nil:
		return "rabbitmq"
	}
	return "nats"
}

// opened is a source ready to run.
type opened struct {
	source ingest.Source
	decode ingest.Decoder
	system string // the broker's name in OpenTelemetry

	destination string // where messages come from, in traces and metrics; "": each message says it
	group       string // the consumers that share the messages, in traces and metrics
}

// open returns the source, which has not connected to anything yet.
func (s sourceConfig) open(box core.Outbox, log *slog.Logger) (o opened, err error) {
	if s.Outbox != nil {
		return opened{source: outbox.New(box, time.Now), decode: outbox.Decode, system: "postgresql", destination: "outbox"}, nil
	}
	if o.decode, err = s.Decoder(s.Organization); err != nil {
		return o, err
	}
	log = log.With("source_name", s.Name)
	switch {
	case s.Kafka != nil:
		o.system, o.group = "kafka", s.Kafka.Group
		if len(s.Kafka.Topics) == 1 {
			o.destination = s.Kafka.Topics[0]
		}
		o.source, err = kafka.New(*s.Kafka, log)
	case s.SQS != nil:
		o.system, o.destination = "aws_sqs", path.Base(s.SQS.QueueURL)
		o.source, err = sqs.New(*s.SQS, log)
	case s.RabbitMQ != nil:
		o.system, o.destination = "rabbitmq", s.RabbitMQ.Queue
		o.source, err = rabbitmq.New(*s.RabbitMQ, log)
	default:
		o.system, o.destination, o.group = "nats", s.NATS.Stream, s.NATS.Consumer
		o.source, err = nats.New(*s.NATS, log)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", o.system, err)
	}
	return o, err
}

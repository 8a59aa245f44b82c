package kafka

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/postrider/postrider/ingest"
)

const good = `
brokers: [kafka-1:9092, "[::1]:9093"]
topics: [orders, payments.v2]
group: postrider
dead_letter_topic: postrider-dead
start: latest
session_timeout: 10s
tls: {}
sasl: {mechanism: scram-sha-512, username: postrider, password: open sesame}
`

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string // parts of the error; none: it is good
	}{
		"all of it":           {func(*Config) {}, nil},
		"as little as can be": {func(c *Config) { c.Start, c.TLS, c.SASL = "", nil, nil }, nil},
		"nothing": {func(c *Config) { *c = Config{} }, []string{
			"brokers: at least one is required", "topics: at least one is required", "group: it is required",
			"dead_letter_topic: it is required",
		}},
		"a broker without a port":  {func(c *Config) { c.Brokers[1] = "kafka" }, []string{`brokers: "kafka" is not host:port`}},
		"a broker without a host":  {func(c *Config) { c.Brokers[1] = ":9092" }, []string{`brokers: ":9092" is not host:port`}},
		"a broker with a bad port": {func(c *Config) { c.Brokers[1] = "kafka:0" }, []string{`brokers: "kafka:0" is not host:port`}},
		"a broker as a URL":        {func(c *Config) { c.Brokers[1] = "kafka://kafka:9092" }, []string{`brokers: "kafka://kafka:9092"`}},
		"bad topics": {func(c *Config) { c.Topics = []string{"a b", "..", "x", "x"} }, []string{
			`topics: "a b" cannot be`, `topics: ".." cannot be`, `topics: "x" is there twice`,
		}},
		"a long group":           {func(c *Config) { c.Group = strings.Repeat("x", 300) }, []string{"group: it is 300 bytes long, and may have 249"}},
		"dead letters in a loop": {func(c *Config) { c.DeadLetterTopic = "orders" }, []string{`dead_letter_topic: "orders" is one of topics`}},
		"bad dead letter topic":  {func(c *Config) { c.DeadLetterTopic = "a/b" }, []string{`dead_letter_topic: "a/b" cannot be`}},
		"bad start":              {func(c *Config) { c.Start = "newest" }, []string{`start: "newest" is neither`}},
		"short session":          {func(c *Config) { c.SessionTimeout = "5s" }, []string{`session_timeout: "5s" is no duration of 6s to 30m0s`}},
		"bad session":            {func(c *Config) { c.SessionTimeout = "10" }, []string{`session_timeout: "10" is no duration`}},
		"bad tls": {func(c *Config) { c.TLS = &ingest.TLS{CAFile: filepath.Join(t.TempDir(), "none")} },
			[]string{"tls: ca_file:"}},
		"bad sasl": {func(c *Config) { c.SASL = &SASL{Mechanism: "gssapi"} }, []string{
			`sasl.mechanism: "gssapi" is none of`, "sasl.username: it is required", "sasl.password: it is required",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Config
			if err := yaml.UnmarshalStrict([]byte(good), &c); err != nil {
				t.Fatal(err)
			}
			test.change(&c)
			_, err := New(c, slog.New(slog.DiscardHandler))
			if (err == nil) != (test.want == nil) {
				t.Fatalf("the error is %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, and does not say %q", err, want)
				}
			}
			if err != nil && len(strings.Split(err.Error(), "\n")) != len(test.want) {
				t.Errorf("the error is %q, want %d problems", err, len(test.want))
			}
		})
	}
}

func TestPasswordIsNotLogged(t *testing.T) {
	t.Parallel()
	for mechanism, warned := range map[string]bool{"plain": true, "scram-sha-256": false} {
		var c Config
		if err := yaml.UnmarshalStrict([]byte(good), &c); err != nil {
			t.Fatal(err)
		}
		c.TLS, c.SASL.Mechanism = nil, mechanism
		var log bytes.Buffer
		if _, err := New(c, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "level=WARN"); (got == 1) != warned || got > 1 {
			t.Errorf("%s without TLS: %d warnings", mechanism, got)
		}
		if strings.Contains(log.String(), "sesame") {
			t.Errorf("the password is in the log: %s", &log)
		}
	}
}

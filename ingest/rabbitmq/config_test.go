package rabbitmq

import (
	"log/slog"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/postrider/postrider/ingest"
)

func TestConfigSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	good := func(change func(*Config)) Config {
		c := Config{URL: "amqp://me:secret@rabbitmq/", Queue: "orders", DeadLetterExchange: "dead"}
		change(&c)
		return c
	}
	url := func(text string) Config { return good(func(c *Config) { c.URL = text }) }
	long := strings.Repeat("x", 256)
	for name, test := range map[string]struct {
		config Config
		want   []string // in the error, one each; none: no error
	}{
		"least":          {Config{URL: "amqp://rabbitmq", Queue: "orders", DeadLetterRoutingKey: "dead"}, nil},
		"most":           {Config{"amqps://me:sec%2Fret@rabbitmq:5671/billing%2Fa", "orders", "dead", "orders", 65535, &ingest.TLS{}}, nil},
		"nothing":        {Config{}, []string{"url: it is required", "\nqueue: it is required", "\ndead_letter_exchange: it is required"}},
		"another scheme": {url("https://me:secret@rabbitmq/"), []string{"url: it is not amqps://"}},
		"no scheme":      {url("me:secret@rabbitmq"), []string{"url: it is not amqps://"}},
		"no host":        {url("amqp://me:secret@/"), []string{"url: it is not amqps://"}},
		"no port":        {url("amqp://me:secret@rabbitmq:70000/"), []string{"url: it is not amqps://"}},
		"a raw password": {url("amqp://me:secret%@rabbitmq/"), []string{"url: it is not amqps://", "%XX"}},
		"a raw slash":    {url("amqp://me:secret/@rabbitmq/"), []string{"url: it is not amqps://"}},
		"a space":        {url("amqp://me:secret@rabbitmq/a b"), []string{"url: it is not amqps://"}},
		"no password":    {url("amqp://secret@rabbitmq/"), []string{"url: user and password go together"}},
		"no user":        {url("amqp://:secret@rabbitmq/"), []string{"url: user and password go together"}},
		"a parameter":    {url("amqp://me:secret@rabbitmq/?heartbeat=0"), []string{"url: there is something behind ?"}},
		"a raw hash":     {url("amqp://rabbitmq/#secret"), []string{"url: there is something behind ? or #"}},
		"long names": {
			good(func(c *Config) { c.Queue, c.DeadLetterExchange, c.DeadLetterRoutingKey = long, long, long+"x" }),
			[]string{"queue: it is 256 bytes long", "\ndead_letter_exchange: it is 256", "\ndead_letter_routing_key: it is 257"},
		},
		"itself":   {good(func(c *Config) { c.DeadLetterExchange, c.DeadLetterRoutingKey = "", "orders" }), []string{"dead_letter_routing_key: "}},
		"negative": {good(func(c *Config) { c.Prefetch = -1 }), []string{"prefetch: -1"}},
		"too many": {good(func(c *Config) { c.Prefetch = 65536 }), []string{"prefetch: 65536"}},
		"TLS without TLS": {
			good(func(c *Config) { c.TLS = &ingest.TLS{} }), []string{"tls: it wants a url that begins with amqps://"},
		},
		"no such file": {
			Config{URL: "amqps://rabbitmq", Queue: "q", DeadLetterExchange: "d", TLS: &ingest.TLS{CAFile: "/nowhere"}}, []string{"tls: ca_file: "},
		},
		"all at once": {
			Config{URL: "x", Prefetch: -1, TLS: &ingest.TLS{CertFile: "x"}},
			[]string{"url: ", "\nqueue: ", "\ndead_letter_exchange: ", "\nprefetch: ", "\ntls: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(test.config, slog.New(slog.DiscardHandler))
			if len(test.want) == 0 && err != nil {
				t.Error(err)
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error %v says nothing of %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
}

func TestConfigIsReadFromYAML(t *testing.T) {
	t.Parallel()
	var c Config
	err := yaml.UnmarshalStrict([]byte(`
url: amqps://me:secret@rabbitmq/billing
queue: orders
dead_letter_exchange: dead
dead_letter_routing_key: orders
prefetch: 100
tls: {}
`), &c)
	if err != nil {
		t.Fatal(err)
	}
	s := newSource(t, c)
	want := Config{"amqps://me:secret@rabbitmq/billing", "orders", "dead", "orders", 100, c.TLS}
	if s.config != want || s.tls == nil {
		t.Errorf("got %+v, TLS %v", s.config, s.tls)
	}
	if s := newSource(t, Config{URL: "amqps://rabbitmq", Queue: "q", DeadLetterExchange: "d"}); s.config.Prefetch != 1000 || s.tls == nil {
		t.Errorf("got %+v, TLS %v", s.config, s.tls)
	}
}

package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/postrider/postrider/core"
)

// TestDocsConfigureSources checks the examples that users copy. In the docs, variables stand for secrets.
func TestDocsConfigureSources(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/consume.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	seen := map[string]bool{}
	for _, example := range examples {
		yaml := regexp.MustCompile(`\$\{[A-Z_]+\}`).ReplaceAllString(example[1], "secret")
		if !strings.HasPrefix(yaml, "sources:") { // only a format
			yaml = "sources:\n  - name: a\n    kafka: {brokers: ['k:9092'], topics: [t], group: g, dead_letter_topic: d}\n" + indented(example[1])
		}
		c := &Config{Sources: yaml}
		sources, err := c.sources()
		if err != nil {
			t.Errorf("%v:\n%s", err, yaml)
		}
		for _, s := range sources {
			for name, is := range map[string]bool{"kafka": s.Kafka != nil, "sqs": s.SQS != nil, "rabbitmq": s.RabbitMQ != nil, "nats": s.NATS != nil, "outbox": s.Outbox != nil} {
				seen[name] = seen[name] || is
			}
		}
	}
	if len(examples) < 6 || !seen["kafka"] || !seen["sqs"] || !seen["rabbitmq"] || !seen["nats"] || !seen["outbox"] {
		t.Errorf("%d examples, of %v", len(examples), seen)
	}
}

// TestDocsConfigureKafkaInCompose checks that the example's sources are valid.
func TestDocsConfigureKafkaInCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../examples/kafka/docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services struct {
			Consume struct {
				Environment struct {
					Sources string `json:"POSTRIDER_SOURCES"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	c := &Config{Sources: compose.Services.Consume.Environment.Sources}
	sources, err := c.sources()
	if err != nil || len(sources) != 2 || sources[1].Kafka == nil {
		t.Errorf("%+v, %v", sources, err)
	}
}

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

func TestVariablesAreExpandedInTextsAlone(t *testing.T) {
	t.Setenv("SOURCES_TEST", `a"b: [c`) // text that looks like YAML or JSON stays text
	c := &Config{Sources: `sources: [{name: a, format: mapping, application: {value: "x${SOURCES_TEST}y"}, event_type: {path: "$.a"},
		kafka: {brokers: ["k:9092"], topics: [t], group: "$SOURCES_TEST", dead_letter_topic: d}}]`}
	sources, err := c.sources()
	if err != nil {
		t.Fatal(err)
	}
	s := sources[0]
	if s.Application.Value != `xa"b: [cy` || s.EventType.Path != "$.a" || s.Kafka.Group != "$SOURCES_TEST" {
		t.Errorf("application %q, event type %q, group %q", s.Application.Value, s.EventType.Path, s.Kafka.Group)
	}
	if s.Organization != defaultOrg {
		t.Errorf("organisation %q", s.Organization)
	}
}

// The migration of the outbox and the command line use the same default organisation.
func TestOutboxHasTheOrganisationThatTokensAreFor(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("../db/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(schema), "DEFAULT COALESCE(NULLIF(current_setting('postrider.org_id'::text, true), ''::text), '"+string(defaultOrg)+"'::text)"); n != 4 {
		t.Errorf("%s is the default of %d of outbox.org_id and the three message_send", defaultOrg, n)
	}
	if !strings.Contains(string(schema), "<> '"+string(core.OperationalOrg)+"'") {
		t.Error("the outbox takes messages of the reserved organisation")
	}
}

package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCheckLooksAtWhereDeadLettersAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		letters, topic map[string]string
		err            []string
		warning        string
	}{
		"well":                {nil, nil, nil, ""},
		"compacted":           {map[string]string{"cleanup.policy": "compact"}, nil, []string{"dead_letter_topic: dead", "cleanup.policy compact"}, ""},
		"compacted, deleted":  {map[string]string{"cleanup.policy": "compact,delete"}, nil, []string{"dead_letter_topic: dead", "cleanup.policy compact,delete"}, ""},
		"too small":           {map[string]string{"max.message.bytes": "1000"}, nil, nil, "dead_letter_bytes=1000"},
		"larger messages":     {nil, map[string]string{"max.message.bytes": "9000000"}, nil, "bytes=9000000"},
		"large enough":        {map[string]string{"max.message.bytes": "9000000"}, nil, nil, ""},
		"compacted is source": {nil, map[string]string{"cleanup.policy": "compact"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t)
			b.config.DeadLetterTopic, b.config.Topics = "dead", []string{"orders"}
			for topic, configs := range map[string]map[string]string{"dead": test.letters, "orders": test.topic} {
				if err := b.fake.CreateTopic(topic, partitions, configs); err != nil {
					t.Fatal(err)
				}
			}
			warnings, err := b.checked(t)
			wantSaid(t, err, test.err...)
			wantWarning(t, warnings, test.warning)
		})
	}
}

// A source whose account may not describe topic configurations gets no error, and works.
func TestCheckNeedNotDescribeConfigs(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	asked := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	warnings, err := b.checked(t)
	wantSaid(t, err)
	if asked.Hits() == 0 || warnings != "" {
		t.Errorf("it was asked %d times, the warnings are %q", asked.Hits(), warnings)
	}
}

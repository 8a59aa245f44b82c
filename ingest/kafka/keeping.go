package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	cleanupPolicy   = "cleanup.policy"
	maxMessageBytes = "max.message.bytes"
)

// keeping returns why the dead letter topic would not accept or keep all dead letters, as far as our account may read
// topic configurations.
func (s *Source) keeping(ctx context.Context, client *kgo.Client) error {
	letters := s.config.DeadLetterTopic
	all, err := kadm.NewClient(client).DescribeTopicConfigs(ctx, append([]string{letters}, s.config.Topics...)...)
	if passes(err) {
		return fmt.Errorf("dead_letter_topic: ask how topics are configured: %w", err)
	}
	configs := map[string]map[string]string{} // by topic and key
	for _, topic := range all {
		if passes(topic.Err) && !errors.Is(topic.Err, kerr.UnknownTopicOrPartition) { // others report these
			return fmt.Errorf("dead_letter_topic: ask how %s is configured: %w", topic.Name, topic.Err)
		}
		configs[topic.Name] = map[string]string{}
		for _, config := range topic.Configs {
			configs[topic.Name][config.Key] = config.MaybeValue()
		}
	}
	if strings.Contains(configs[letters][cleanupPolicy], "compact") {
		return fmt.Errorf("dead_letter_topic: %s has %s %s, which refuses dead letters without a key and deletes others; "+
			"set it to delete", letters, cleanupPolicy, configs[letters][cleanupPolicy])
	}
	room, unknown := strconv.Atoi(configs[letters][maxMessageBytes])
	for _, topic := range s.config.Topics {
		if most, err := strconv.Atoi(configs[topic][maxMessageBytes]); err == nil && unknown == nil && most > room {
			s.log.Warn("dead letter topic allows smaller messages than the topic; raise its max.message.bytes",
				"topic", topic, "bytes", most, "dead_letter_topic", letters, "dead_letter_bytes", room)
		}
	}
	return nil
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Check asks the brokers about all that is needed, as far as they tell: whether they are there and take
// our account, whether the topics are there and may be read, or for dead letters written, and whether the
// group may be used. It does not join the group, which would take partitions from other members.
func (s *Source) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	client, err := kgo.NewClient(s.options...)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := s.ping(ctx, client); err != nil {
		return err
	}
	return errors.Join(
		readable(ctx, client, s.config.Topics),
		writable(ctx, client, s.config.DeadLetterTopic),
		usable(ctx, client, s.config.Group),
	)
}

// ping tells why no broker can be spoken to.
func (s *Source) ping(ctx context.Context, client *kgo.Client) error {
	// The client does not look at the context while it waits for a broker that has just been dialed.
	pinged := make(chan error, 1)
	go func() { pinged <- client.Ping(ctx) }()
	var err error
	select {
	case err = <-pinged:
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("sasl: the brokers refuse the username or the password: %w", err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("sasl.mechanism: the brokers do not take %s: %w", s.config.SASL.Mechanism, err)
	case s.config.SASL != nil && errors.Is(err, io.EOF):
		return fmt.Errorf("brokers: they hang up, as some do that refuse the username or the password of sasl: %w", err)
	}
	return fmt.Errorf("brokers: none can be reached: %w", err)
}

func readable(ctx context.Context, client *kgo.Client, topics []string) error {
	return allowed(ctx, client, "topics", topics, kadm.OpRead, "read")
}

func writable(ctx context.Context, client *kgo.Client, topic string) error {
	return allowed(ctx, client, "dead_letter_topic", []string{topic}, kadm.OpWrite, "written to")
}

// allowed tells which topics do not exist or do not allow something.
func allowed(ctx context.Context, client *kgo.Client, field string, topics []string, need kadm.ACLOperation, verb string) error {
	ask := kmsg.NewPtrMetadataRequest()
	ask.IncludeTopicAuthorizedOperations = true
	for _, topic := range topics {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = &topic
		ask.Topics = append(ask.Topics, one)
	}
	answer, err := ask.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("%s: ask about them: %w", field, err)
	}
	var problems []error
	for _, topic := range answer.Topics {
		name := ""
		if topic.Topic != nil {
			name = *topic.Topic
		}
		err := kerr.ErrorForCode(topic.ErrorCode)
		may := kadm.DecodeACLOperations(topic.AuthorizedOperations) // nothing: the broker does not tell
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			problems = append(problems, fmt.Errorf("%s: %s does not exist: %w", field, name, err))
		case errors.Is(err, kerr.TopicAuthorizationFailed), err == nil && len(may) > 0 && !slices.Contains(may, need):
			problems = append(problems, fmt.Errorf("%s: %s may not be %s", field, name, verb))
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %s: %w", field, name, err))
		}
	}
	return errors.Join(problems...)
}

// usable tells why the group cannot be used. A group that is not known yet can.
func usable(ctx context.Context, client *kgo.Client, name string) error {
	ask := kmsg.NewPtrDescribeGroupsRequest()
	ask.Groups = []string{name}
	ask.IncludeAuthorizedOperations = true
	answer, err := ask.RequestWith(ctx, client)
	var group kmsg.DescribeGroupsResponseGroup
	if err == nil && len(answer.Groups) > 0 {
		group = answer.Groups[0]
		err = kerr.ErrorForCode(group.ErrorCode)
	}
	may := kadm.DecodeACLOperations(group.AuthorizedOperations)
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed), len(may) > 0 && !slices.Contains(may, kadm.OpRead):
		return fmt.Errorf("group: %s may not be used", name)
	case err != nil && !errors.Is(err, kerr.GroupIDNotFound):
		return fmt.Errorf("group: %s: %w", name, err)
	case group.ProtocolType != "" && group.ProtocolType != "consumer":
		return fmt.Errorf("group: %s is one of %s, not of consumers", name, group.ProtocolType)
	}
	return nil
}

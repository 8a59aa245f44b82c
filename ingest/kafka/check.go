package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/ingest"
)

const (
	// The brokers are asked again after askFirst, then after twice as long, and so on up to askMost.
	askFirst = 100 * time.Millisecond
	askMost  = time.Second
)

// Check asks the brokers about everything the source needs, as far as they tell: whether they are reachable and
// accept the account, whether the topics exist and may be read or, for dead letters, written, whether the group may
// be used, and whether the next messages can be read. It does not join the group, which would take partitions from
// other members. Possible problems are logged as warnings.
func (s *Source) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.checkTimeout)
	defer cancel()
	client, err := kgo.NewClient(append(s.options, kgo.RequestRetries(0))...) // insist retries, and says why
	if err != nil {
		return err
	}
	defer client.Close()
	if err := s.ping(ctx, client); err != nil {
		return err
	}
	checks := []func(context.Context, *kgo.Client) error{s.goesOn, s.writable, s.keeping, s.usable}
	problems := make([]error, len(checks)) // in this order
	var asked sync.WaitGroup
	for i, check := range checks {
		asked.Go(func() { problems[i] = insist(ctx, func() error { return check(ctx, client) }) })
	}
	asked.Wait()
	return errors.Join(problems...)
}

// insist asks again while the error is temporary, until ctx ends. A cluster that has just been started has no
// leaders, coordinators or offsets topic yet.
func insist(ctx context.Context, ask func() error) (last error) {
	for wait := askFirst; ; wait = min(2*wait, askMost) {
		err := ask()
		if last != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = last // the error that was waited on
		}
		if !passes(err) {
			return err
		}
		last = err
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (asked until the deadline)", last)
		case <-time.After(wait):
		}
	}
}

// passes reports whether an error is temporary. An unreachable broker is too, once others lead its partitions.
func passes(err error) bool {
	_, network := errors.AsType[*net.OpError](err)
	return network || kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err)
}

// ping returns why no broker can be reached.
func (s *Source) ping(ctx context.Context, client *kgo.Client) error {
	// The client ignores the context while it waits for a broker that has just been dialed.
	pinged := make(chan error, 1)
	go func() { pinged <- client.Ping(ctx) }()
	var err error
	select {
	case err = <-pinged:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if explained := ingest.ExplainTLS(ctx, err, s.config.TLS != nil, "tls: {}", s.config.Brokers...); explained != err { //nolint:errorlint // the same one, or one around it
		return fmt.Errorf("brokers: %w", explained)
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

func (s *Source) readable(ctx context.Context, client *kgo.Client) error {
	return s.fit(ctx, client, "topics", s.config.Topics, kadm.OpRead)
}

// goesOn returns why topics cannot be read, in general or from the group's offsets.
func (s *Source) goesOn(ctx context.Context, client *kgo.Client) error {
	if err := s.readable(ctx, client); err != nil {
		return err
	}
	return s.positions(ctx, client)
}

func (s *Source) writable(ctx context.Context, client *kgo.Client) error {
	return s.fit(ctx, client, "dead_letter_topic", []string{s.config.DeadLetterTopic}, kadm.OpWrite)
}

// fit returns which topics cannot be used.
func (s *Source) fit(ctx context.Context, client *kgo.Client, field string, topics []string, need kadm.ACLOperation) error {
	answer, err := describe(ctx, client, topics)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	var problems []error
	for _, topic := range answer.Topics {
		for _, err := range []error{refusal(topic, need), leaderless(topic)} {
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", field, err))
			}
		}
	}
	return errors.Join(problems...)
}

// describe gets topics from the brokers, bypassing the client's cache, which may hold topics deleted since.
func describe(ctx context.Context, client *kgo.Client, topics []string) (*kmsg.MetadataResponse, error) {
	ask := kmsg.NewPtrMetadataRequest()
	ask.IncludeTopicAuthorizedOperations = true
	for _, topic := range topics {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = &topic
		ask.Topics = append(ask.Topics, one)
	}
	answer, err := ask.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("ask about %v: %w", topics, err)
	}
	return answer, nil
}

func nameOf(topic kmsg.MetadataResponseTopic) string {
	if topic.Topic == nil {
		return ""
	}
	return *topic.Topic
}

// refusal returns why a topic cannot be used: it does not exist or access is denied.
func refusal(topic kmsg.MetadataResponseTopic, need kadm.ACLOperation) error {
	err := kerr.ErrorForCode(topic.ErrorCode)
	may := kadm.DecodeACLOperations(topic.AuthorizedOperations) // empty: the broker does not report them
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("%s does not exist", nameOf(topic))
	case errors.Is(err, kerr.TopicAuthorizationFailed), err == nil && len(may) > 0 && !slices.Contains(may, need):
		return fmt.Errorf("%s may not be %s", nameOf(topic), map[kadm.ACLOperation]string{kadm.OpRead: "read", kadm.OpWrite: "written to"}[need])
	case err != nil:
		return fmt.Errorf("%s: %w", nameOf(topic), err)
	}
	return nil
}

// leaderless returns which partitions have no leader to read from or write to.
func leaderless(topic kmsg.MetadataResponseTopic) error {
	var problems []error
	for _, p := range topic.Partitions {
		// Brokers before Kafka 2.3 also report unavailable replicas, which do not matter.
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, kerr.ReplicaNotAvailable) {
			problems = append(problems, fmt.Errorf("%s, partition %d: %w", nameOf(topic), p.Partition, err))
		}
	}
	return some(problems)
}

// someMost is how many similar errors are listed.
const someMost = 10

// some joins errors; of very many it keeps the first.
func some(problems []error) error {
	if more := len(problems) - someMost; more > 0 {
		problems = append(problems[:someMost:someMost], fmt.Errorf("and %d more", more))
	}
	return errors.Join(problems...)
}

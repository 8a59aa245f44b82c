// Package kafka receives messages from Kafka topics, and from brokers that speak its protocol. It knows how Kafka
// assigns partitions to the consumers of a group, keeps their order and stores offsets. It does not know what messages
// contain or what becomes of them.
package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// callTimeout bounds a call in total, including the client's own retries. Brokers answer in some milliseconds; the
// client retries after 250 ms, then after twice as long, and so on up to 5 s.
const callTimeout = 10 * time.Second

// Source receives messages from topics.
type Source struct {
	log          *slog.Logger
	config       Config
	options      []kgo.Opt     // options for connecting to brokers
	session      time.Duration // how long the group waits for us
	poll         time.Duration // how long no messages may arrive before we ask the brokers
	checkTimeout time.Duration // of a check
	quiet        time.Duration // how long the brokers may return nothing before a check goes on without the rest
	givenUp      time.Duration // how long partitions are left alone that the client has given up

	member membership
	stalls *stalls
	places *places
	cut    context.CancelFunc // cancels everything the client waits for

	topics   map[string]note          // what commits of the last batch must say about its topics
	remade   []string                 // topics that were deleted and recreated, to be read anew
	aside    map[*kgo.Record]struct{} // messages of the last batch whose dead letters are stored
	extended int                      // how often the last batch was extended

	gauge *gauge // nil: not connected; only Depth uses it, and Close after it
}

var (
	_ ingest.Measured  = (*Source)(nil)
	_ ingest.Described = (*Source)(nil)
)

// New returns a source. It opens no connection.
func New(c Config, log *slog.Logger) (*Source, error) {
	set, err := c.read()
	if err != nil {
		return nil, err
	}
	s := &Source{
		log: log, config: set.Config, options: reach(set, log), session: set.session, poll: pollWait,
		checkTimeout: callTimeout, quiet: quietMost, givenUp: metadataAge, places: newPlaces(),
		stalls: newStalls(log, time.Now), //nolint:forbidigo // the wall's clock, for how long a partition stalls
		member: newMembership(), aside: map[*kgo.Record]struct{}{},
	}
	if err := kgo.ValidateOpts(s.consume()...); err != nil {
		return nil, fmt.Errorf("brokers, topics, group: %w", err)
	}
	if set.mechanism != nil && set.tls == nil && c.SASL.Mechanism == plainText {
		log.Warn("password sent unencrypted; configure tls with sasl.mechanism plain")
	}
	return s, nil
}

// connect makes us a member of the group, unless we are one. It does not wait: Receive returns connection errors.
func (s *Source) connect() error {
	if s.member.client != nil {
		return nil
	}
	life, cut := context.WithCancel(context.Background())
	if err := s.member.join(append(s.consume(), kgo.WithContext(life))...); err != nil {
		cut()
		return err
	}
	s.cut = cut
	return nil
}

// Close leaves the group, which assigns its partitions to other members, and disconnects.
func (s *Source) Close(ctx context.Context) error {
	s.closeGauge()
	client := s.member.client
	if client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	client.AllowRebalance()
	err := client.LeaveGroupContext(ctx)
	if err != nil {
		err = fmt.Errorf("leave group %s: %w", s.config.Group, err)
		s.cut() // or it would go on waiting for the other members
	}
	client.Close()
	// The client has left once more, in a goroutine, which one of many test runs found waiting for a poll that had
	// ended long before.
	client.AllowRebalance()
	s.cut()
	s.member.client = nil
	return err
}

// Extend sends nothing to Kafka: the client sends heartbeats in the background while this process lives. But the
// group cannot assign partitions to a new member while we keep ours, and removes us after rebalanceTimeout. Before
// that, Extend may give up the partitions; other members then receive the messages too.
func (s *Source) Extend(context.Context, []ingest.Message) error {
	if s.extended++; s.extended >= extendMost {
		s.member.client.AllowRebalance()
	}
	return nil
}

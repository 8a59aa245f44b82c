package kafka

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

const (
	// A call that finds one broker silent has time left for another: a connection has to be there after
	// dialTimeout, and an answer after requestTimeout, beyond what the request itself lets a broker wait.
	dialTimeout    = 3 * time.Second
	requestTimeout = callTimeout / 2

	// rebalanceTimeout is how long the group waits for a member that works on a batch, before it gives its
	// partitions to others.
	rebalanceTimeout = time.Minute
	// extendMost is how often a batch is extended before the group need not wait for it any longer: after
	// 30 s of the 60 s above, so that we are in time even if it has waited from the beginning.
	extendMost = int(rebalanceTimeout / 2 / ingest.ExtendEvery)

	// A broker sends that much at once, and of one partition; the client holds one such answer of each
	// broker. More than that comes only if a single batch of a producer is larger.
	fetchBytes          = 4 << 20
	fetchPartitionBytes = 1 << 20
	// unpackedMost is what a producer's batch may be once it is unpacked. Brokers take 1 MB by default,
	// packed; producers make batches of 1 MB at most by default, unpacked.
	unpackedMost = 128 << 20

	// fetchWait is how long a broker waits for messages before it answers that there are none. Partitions
	// that the group assigns to us in between are asked for behind that only.
	fetchWait = 500 * time.Millisecond

	// metadataAge is how long it takes at most until a new partition is noticed.
	metadataAge = time.Minute
)

// balancer is how the members of a group share partitions.
var balancer = kgo.CooperativeStickyBalancer()

// reach is how brokers are reached.
func reach(set settings, log *slog.Logger) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(set.Brokers...),
		kgo.ClientID("postrider"),
		kgo.DialTimeout(dialTimeout),
		kgo.RequestTimeoutOverhead(requestTimeout),
		kgo.WithLogger(clientLog{log}),
		kgo.DisableClientMetrics(), // the client would send its own to the brokers
	}
	if set.tls != nil {
		options = append(options, kgo.DialTLSConfig(set.tls))
	}
	if set.mechanism != nil {
		options = append(options, kgo.SASL(set.mechanism))
	}
	return options
}

// consume is how a member of the group reads, and writes its dead letters.
func (s *Source) consume() []kgo.Opt {
	start := kgo.ConsumeStartOffset(kgo.NewOffset().AtStart())
	if s.config.Start == latest {
		start = kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd())
	}
	own := []kgo.Opt{
		kgo.ConsumerGroup(s.config.Group),
		kgo.ConsumeTopics(s.config.Topics...),
		kgo.Balancers(balancer),
		kgo.SessionTimeout(s.session),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(s.assigned),
		kgo.OnPartitionsRevoked(s.gone),
		kgo.OnPartitionsLost(s.gone),
		kgo.AdjustFetchOffsetsFn(s.begin),
		kgo.DisableAutoCommit(),
		start,
		// Where to go on when a broker has lost messages that we have read is left to the client: it asks
		// for the place where the logs part, and goes back a minute if nobody knows. An offset past the end
		// of which we have read nothing has it begin at the start, which repeats messages and skips none.

		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.MaxDecompressBatchBytes(unpackedMost),
		kgo.KeepRetryableFetchErrors(), // or nobody hears of those that never end
		kgo.MetadataMaxAge(metadataAge),

		kgo.ProducerBatchMaxBytes(letterMost),
		// Topics measure what is compressed, and a message may have come compressed well. All brokers
		// know gzip, and it makes the most of what is very large and empty.
		kgo.ProducerBatchCompression(kgo.GzipCompression(), kgo.NoCompression()),
		kgo.ProduceRequestTimeout(requestTimeout),
		// A dead letter may be put down twice, but must not be waited for without end, which the client
		// does otherwise: it keeps what a broker may or may not have until it knows.
		kgo.AllowIdempotentProduceCancellation(),
	}
	return slices.Concat(own, s.options)
}

// gone is called when partitions are taken away.
func (s *Source) gone(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
	s.stalls.gone(partitions)
	s.member.gone(ctx, client, partitions)
}

// clientLog is the client's log. What goes wrong it also returns as errors, sooner or later, so that the
// whole of it is of interest only to who looks for a cause.
type clientLog struct{ log *slog.Logger }

func (l clientLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

func (l clientLog) Log(level kgo.LogLevel, text string, attrs ...any) {
	l.log.Debug("kafka client log", "class", level.String(), "text", text, slog.Group("about", attrs...))
}

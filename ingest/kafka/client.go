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
	// A call that finds one broker silent has time left for another: a connection must be established within
	// dialTimeout, and an answer must arrive within requestTimeout, in addition to the wait that the request itself
	// allows the broker.
	dialTimeout    = 3 * time.Second
	requestTimeout = callTimeout / 2

	// rebalanceTimeout is how long the group waits for a member that processes a batch before it assigns the member's
	// partitions to others.
	rebalanceTimeout = time.Minute
	// extendMost is how often a batch is extended before the group need not wait for it any longer: after 30 s of the
	// 60 s above, so that we are in time even if the group has waited from the beginning.
	extendMost = int(rebalanceTimeout / 2 / ingest.ExtendEvery)

	// A broker returns up to fetchBytes at once, and up to fetchPartitionBytes of one partition; the client holds one
	// such answer per broker. An answer is larger only if a single batch of a producer is.
	fetchBytes          = 4 << 20
	fetchPartitionBytes = 1 << 20
	// unpackedMost is the largest decompressed size of a producer's batch. By default, brokers accept compressed
	// batches of 1 MB, and producers make batches of at most 1 MB before compression.
	unpackedMost = 128 << 20

	// fetchWait is how long a broker waits for messages before it answers that there are none. Partitions that the
	// group assigns to us in between are fetched only after that.
	fetchWait = 500 * time.Millisecond

	// metadataAge is the longest time until a new partition is noticed.
	metadataAge = time.Minute
)

// balancer decides how the members of a group share partitions.
var balancer = kgo.CooperativeStickyBalancer()

// reach returns the options for connecting to brokers.
func reach(set settings, log *slog.Logger) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(set.Brokers...),
		kgo.ClientID("postrider"),
		kgo.DialTimeout(dialTimeout),
		kgo.RequestTimeoutOverhead(requestTimeout),
		kgo.WithLogger(clientLog{log}),
		kgo.DisableClientMetrics(), // the client would push its own to the brokers
	}
	if set.tls != nil {
		options = append(options, kgo.DialTLSConfig(set.tls))
	}
	if set.mechanism != nil {
		options = append(options, kgo.SASL(set.mechanism))
	}
	return options
}

// consume returns the options for reading as a group member and for producing dead letters.
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
		// If a broker has lost messages that we have read, the client decides where to continue: it asks for the
		// offset where the logs diverge, and goes back a minute if no broker knows. If the offset is past the end and
		// we have read nothing yet, the client begins at the start, which repeats messages and skips none.

		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.MaxDecompressBatchBytes(unpackedMost),
		kgo.KeepRetryableFetchErrors(), // otherwise errors that never end would stay hidden
		kgo.MetadataMaxAge(metadataAge),

		kgo.ProducerBatchMaxBytes(letterMost),
		// Topics limit the compressed size, and a message may have arrived well compressed. All brokers support gzip,
		// and it compresses large, repetitive data best.
		kgo.ProducerBatchCompression(kgo.GzipCompression(), kgo.NoCompression()),
		kgo.ProduceRequestTimeout(requestTimeout),
		// A dead letter may be stored twice, but waiting for it must end. By default the client would wait forever:
		// it keeps records whose outcome at the broker is unknown until it knows.
		kgo.AllowIdempotentProduceCancellation(),
	}
	return slices.Concat(own, s.options)
}

// gone is called when partitions are taken away.
func (s *Source) gone(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
	s.stalls.gone(partitions)
	s.member.gone(ctx, client, partitions)
}

// clientLog logs the client's messages. Problems are also returned as errors, sooner or later, so its full log is
// useful only for diagnosis.
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

package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const unpackedOfTests = 1 << 20

// bomb publishes a batch to partition 0 that decompresses to more than the client's limit.
func (b *broker) bomb(t testing.TB) (offset int64) {
	t.Helper()
	producer := b.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.GzipCompression()),
		kgo.ProducerBatchMaxBytes(4*unpackedOfTests))
	r := &kgo.Record{Topic: b.topic(), Value: make([]byte, 2*unpackedOfTests)}
	if err := producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return r.Offset
}

// to publishes a message to a partition.
func (b *broker) to(t testing.TB, partition int32, body string) {
	t.Helper()
	b.publish(t, &kgo.Record{Topic: b.topic(), Partition: partition, Value: []byte(body)})
}

// crooked returns an invalid batch of the first offsets, by the name of its defect.
func crooked(wrong string) []byte {
	batch := kmsg.RecordBatch{
		LastOffsetDelta: 1, Magic: 2, PartitionLeaderEpoch: -1, NumRecords: 1, Records: []byte("no records"), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	switch wrong {
	case "codec":
		batch.Attributes = 7
	case "packed":
		batch.Attributes = 1 // gzip
	case "magic":
		batch.Magic = 9
	case "count":
		batch.NumRecords = -1
	}
	raw := seal(batch)
	if wrong == "crc" {
		raw[20]++
	}
	return raw
}

// goodBatch returns a batch of n messages at the first offsets.
func goodBatch(n int) []byte {
	batch := kmsg.RecordBatch{
		LastOffsetDelta: int32(n) - 1, Magic: 2, NumRecords: int32(n), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
	for i := range n {
		record := kmsg.Record{OffsetDelta: int32(i), Value: []byte("good")}
		record.Length = int32(len(record.AppendTo(nil))) - 1 // excluding the length itself
		batch.Records = record.AppendTo(batch.Records)
	}
	return seal(batch)
}

// seal sets a batch's length and checksum.
func seal(batch kmsg.RecordBatch) []byte {
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// inject makes one in oneIn responses to fetches contain a raw batch of partition 0, and nothing else.
func (b *broker) inject(t testing.TB, raw []byte, oneIn int) {
	t.Helper()
	id := b.fake.TopicInfo(b.topic()).TopicID
	leader := b.fake.LeaderFor(b.topic(), 0)
	turn := 0
	b.fake.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		ask := r.(*kmsg.FetchRequest)
		if b.fake.CurrentNode() != leader || !asksFor(ask, id, 0) {
			return nil, nil, false
		}
		if turn++; turn%oneIn != 1%oneIn {
			return nil, nil, false
		}
		answer := ask.ResponseKind().(*kmsg.FetchResponse)
		p := kmsg.NewFetchResponseTopicPartition()
		p.RecordBatches, p.HighWatermark, p.LastStableOffset = raw, 1, 1
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID, topic.Partitions = b.topic(), id, []kmsg.FetchResponseTopicPartition{p}
		answer.Topics = []kmsg.FetchResponseTopic{topic}
		return answer, nil, true
	})
}

// asksFor reports whether a full fetch asks for a partition; fetches without a session are full.
func asksFor(ask *kmsg.FetchRequest, id [16]byte, number int32) bool {
	for _, topic := range ask.Topics {
		for _, p := range topic.Partitions {
			if topic.TopicID == id && p.Partition == number {
				return true
			}
		}
	}
	return false
}

// troubles are reasons for which one partition stops while others continue.
func troubles() map[string]struct {
	cause func(t testing.TB, b *broker)
	says  string
} {
	fault := func(err *kerr.Error) func(testing.TB, *broker) {
		return func(_ testing.TB, b *broker) {
			b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: b.topic(), Partitions: []int32{0}, Err: err, Count: -1})
		}
	}
	batch := func(wrong string) func(testing.TB, *broker) {
		return func(t testing.TB, b *broker) { t.Helper(); b.inject(t, crooked(wrong), 2) }
	}
	return map[string]struct {
		cause func(t testing.TB, b *broker)
		says  string
	}{
		"too large":        {func(t testing.TB, b *broker) { t.Helper(); b.bomb(t) }, "unpacks to more than"},
		"not authorized":   {fault(kerr.TopicAuthorizationFailed), "TOPIC_AUTHORIZATION_FAILED"},
		"corrupt":          {fault(kerr.CorruptMessage), "CORRUPT_MESSAGE"},
		"storage":          {fault(kerr.KafkaStorageError), "KAFKA_STORAGE_ERROR"},
		"unknown error":    {fault(kerr.UnknownServerError), "UNKNOWN_SERVER_ERROR"},
		"unsupported":      {fault(kerr.UnsupportedCompressionType), "UNSUPPORTED_COMPRESSION_TYPE"},
		"not leader":       {fault(kerr.NotLeaderForPartition), "NOT_LEADER_FOR_PARTITION"},
		"no such":          {fault(kerr.UnknownTopicOrPartition), "UNKNOWN_TOPIC_OR_PARTITION"},
		"crc":              {batch("crc"), "crc"},
		"codec":            {batch("codec"), "unable to decompress"},
		"packed otherwise": {batch("packed"), "unable to decompress"},
		"negative count":   {batch("count"), "negative record count"},
	}
}

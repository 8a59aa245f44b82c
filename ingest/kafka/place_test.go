package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/postrider/postrider/ingest"
)

// warnings keeps log records from level warning on, as text.
type warnings struct {
	slog.Handler
	kept *keptWarnings
	with []slog.Attr
}

type keptWarnings struct {
	mu  sync.Mutex
	all []map[string]string
}

func newWarnings() (*slog.Logger, *keptWarnings) {
	kept := &keptWarnings{}
	return slog.New(warnings{Handler: slog.DiscardHandler, kept: kept}), kept
}

func (w warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	w.with = append(slices.Clip(w.with), attrs...)
	return w
}

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	found := map[string]string{"text": r.Message}
	keep := func(a slog.Attr) bool {
		found[a.Key] = a.Value.String()
		return true
	}
	for _, a := range w.with {
		keep(a)
	}
	r.Attrs(keep)
	w.kept.mu.Lock()
	defer w.kept.mu.Unlock()
	w.kept.all = append(w.kept.all, found)
	return nil
}

// want checks that exactly one warning with these attributes was logged since the last call, or none without
// attributes.
func (k *keptWarnings) want(t testing.TB, attrs map[string]string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	if attrs != nil {
		n = 1
	}
	if len(k.all) != n {
		t.Fatalf("%d warnings were logged, want %d: %v", len(k.all), n, k.all)
	}
	for key, want := range attrs {
		if got := k.all[0][key]; got != want {
			t.Errorf("%s is %q, want %q: %v", key, got, want, k.all[0])
		}
	}
	k.all = nil
}

func (k *keptWarnings) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}

// Retention deletes unread messages, before a process starts and while it runs.
func TestDeletedMessagesAreCounted(t *testing.T) {
	t.Parallel()
	for name, generation := range generations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFake(t, generation)
			s, batch := inHand(t, b, 10)
			number := record(batch[0]).Partition
			log, warned := newWarnings()
			s.log = log
			settle(t, s, verdicts(ingest.Ack, batch[:2])...)
			closeSource(t, s)
			deleteTo := func(offset int64) {
				t.Helper()
				if err := b.fake.DeleteRecords(b.topic(), number, offset); err != nil {
					t.Fatal(err)
				}
			}
			missed := func(n, from int) map[string]string {
				return map[string]string{
					"text":  "messages deleted before they were read; reading resumes at the first one left",
					"group": b.config.Group, "topic": b.topic(), "partition": fmt.Sprint(number),
					"missed": fmt.Sprint(n), "due_offset": fmt.Sprint(from), "offset": fmt.Sprint(from + n),
				}
			}
			deleteTo(7)
			s = b.source(t, b.dial)
			defer closeSource(t, s)
			s.log = log
			batch = whole(t, s, 3)
			warned.want(t, missed(5, 2))
			settle(t, s, verdicts(ingest.Ack, batch)...)
			b.Produce(t, series("red", 10, 15)...)
			batch = whole(t, s, 5)
			warned.want(t, nil)

			// They are redelivered, as when the database is down, but meanwhile two of them are deleted.
			deleteTo(12)
			settle(t, s, verdicts(ingest.Retry, batch)...)
			batch = whole(t, s, 3)
			warned.want(t, missed(2, 10))
			settle(t, s, verdicts(ingest.Ack, batch)...)
		})
	}
}

// Offsets that are missing from the log because transactions end there are no lost messages.
func TestTransactionsAreNoDeletedMessages(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.commit(t, "", map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0})
	log, warned := newWarnings()
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	s.log = log
	producer := b.connect(t, kgo.TransactionalID(b.config.Group))
	for n := range 6 {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: b.topic(), Key: []byte("red"), Value: fmt.Append(nil, n)}
		if err := producer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		committed := n%2 == 0
		if err := producer.EndTransaction(t.Context(), kgo.TransactionEndTry(committed)); err != nil {
			t.Fatal(err)
		}
		if committed {
			settle(t, s, verdicts(ingest.Ack, whole(t, s, 1))...)
		}
	}
	warned.want(t, nil)
}

// The source does not wait for an offset that the partition has not reached. Messages are repeated rather than
// skipped.
func TestOffsetPastTheEnd(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.Produce(t, series("red", 0, 5)...)
	b.commit(t, "", map[int32]int64{0: 1000, 1: 1000, 2: 1000, 3: 1000, 4: 1000, 5: 1000})
	log, warned := newWarnings()
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	s.log = log
	batch := whole(t, s, 5)
	warned.want(t, map[string]string{
		"text":  "committed offset past the end of the partition; reading resumes earlier and may repeat messages",
		"topic": b.topic(), "partition": fmt.Sprint(record(batch[0]).Partition), "due_offset": "1000", "offset": "0",
	})
	settle(t, s, verdicts(ingest.Ack, batch)...)
	warned.want(t, nil)
}

// Brokers lose messages that have been read, and know from which offset on their log differs.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	b := newFake(t)
	b.Produce(t, series("red", 0, 5)...)
	commits := kadm.Offsets{}
	for number := range int32(partitions) {
		commits.Add(kadm.Offset{Topic: b.topic(), Partition: number, At: 1000, LeaderEpoch: 0})
	}
	if err := kadm.NewClient(b.client).CommitAllOffsets(t.Context(), b.config.Group, commits); err != nil {
		t.Fatal(err)
	}
	log, warned := newWarnings()
	s := b.source(t, b.dial)
	defer closeSource(t, s)
	s.log = log
	await(t, func() string {
		ctx, cancel := context.WithTimeout(t.Context(), s.poll/5)
		defer cancel()
		if batch, _ := s.Receive(ctx); len(batch) > 0 {
			t.Fatalf("message %s came", batch[0].Body)
		}
		if got := warned.count(); got < partitions {
			return fmt.Sprintf("%d partitions were warned of", got)
		}
		return ""
	})
	b.Produce(t, series("red", 5, 6)...)
	batch := receive(t, s)
	if string(batch[0].Body) != "5" {
		t.Errorf("message %s came, want the first behind the end", batch[0].Body)
	}
	settle(t, s, verdicts(ingest.Ack, batch)...)
	if got := warned.count(); got != partitions {
		t.Errorf("%d warnings were logged, want %d", got, partitions)
	}
}

package sqs

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

// patience is the longest wait of a test for something immediate.
const patience = time.Minute

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// special returns a consumer of a fake whose messages stay invisible for longer than a test takes.
func special(t *testing.T, fifo bool) (*Source, *broker, *journal) {
	t.Helper()
	b, j := fakeBroker(t, fifo), new(journal)
	s := b.consumer(t, slog.New(slog.NewTextHandler(j, nil)))
	// Nothing is extended here: the timeout is longer than a test takes. Messages that a busy machine loses on their
	// way are redelivered before patience runs out.
	s.visibility = patience / 3
	t.Cleanup(func() { closeSource(t, s) })
	return s, b, j
}

func closeSource(t *testing.T, s *Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// send puts messages into the queue like a producer. Messages of a FIFO queue need a group.
func (b *broker) send(t *testing.T, all ...sqsfake.Entry) {
	t.Helper()
	for _, e := range all {
		if e.MessageGroupId != "" {
			e.MessageDeduplicationId = rand.Text()
		}
		if err := b.fake.Send(b.name(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered returns messages of a group: group 0, group 1, ...
func numbered(group string, n int) (all []sqsfake.Entry) {
	for i := range n {
		all = append(all, sqsfake.Entry{MessageBody: fmt.Sprint(group, " ", i), MessageGroupId: group})
	}
	return all
}

func receive(t *testing.T, s *Source) []ingest.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	batch, err := s.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// judged assigns verdicts to a batch; the last verdict applies to the rest.
func judged(batch []ingest.Message, verdicts ...ingest.Verdict) []ingest.Settlement {
	all := make([]ingest.Settlement, len(batch))
	for i, m := range batch {
		all[i] = ingest.Settlement{Message: m, Verdict: verdicts[min(i, len(verdicts)-1)], Reason: "nobody can read it"}
	}
	return all
}

func bodies(batch []ingest.Message) []string {
	all := []string{}
	for _, m := range batch {
		all = append(all, string(m.Body))
	}
	return all
}

// inQueue returns the bodies in a queue, whether or not a consumer holds them.
func (b *broker) inQueue(name string) []string {
	all := []string{}
	for _, m := range b.fake.Left(name) {
		all = append(all, m.Body)
	}
	return all
}

package sqs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

func TestBusyQueueFillsBatches(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	b.fake.Slow = 5 * time.Millisecond
	b.send(t, numbered("", 1234)...)
	for _, want := range []int{500, 500, 234} {
		batch := receive(t, s)
		if len(batch) != want {
			t.Fatalf("a batch has %d messages, want %d", len(batch), want)
		}
		if err := s.Settle(t.Context(), judged(batch, ingest.Ack)); err != nil {
			t.Fatal(err)
		}
	}
	if left := b.inQueue(b.name()); len(left) > 0 {
		t.Errorf("%d messages are left", len(left))
	}
	for _, call := range []string{"ReceiveMessage", "DeleteMessageBatch"} {
		// 50 + 50 calls with full answers, 24 with non-empty ones, and 16 at the end that may be empty.
		if all, most := b.fake.Count(call); all > 140 || most > sideMost || most < 2 {
			t.Errorf("%s was called %d times, %d side by side", call, all, most)
		}
	}
}

func TestLargeMessagesMakeSmallBatches(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	const size = 900 << 10
	for range 40 {
		b.send(t, sqsfake.Entry{MessageBody: strings.Repeat("x", size)})
	}
	for found := 0; found < 40; {
		batch := receive(t, s)
		if n := len(batch); n*size > batchBytesMost {
			t.Fatalf("a batch has %d messages of %d bytes", n, size)
		}
		if err := s.Settle(t.Context(), judged(batch, ingest.Ack)); err != nil {
			t.Fatal(err)
		}
		found += len(batch)
	}
}

// The queue's own wait is 20 s here, and applies to calls without a wait time.
func TestFullCallIsHandedOnAtOnce(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	var mu sync.Mutex
	var waits []int
	b.fake.Script(func(call string, r *sqsfake.Request, _ *sqsfake.Entry) *sqsfake.Refusal {
		if call == "ReceiveMessage" {
			mu.Lock()
			defer mu.Unlock()
			if r.WaitTimeSeconds == nil {
				waits = append(waits, -1)
			} else {
				waits = append(waits, *r.WaitTimeSeconds)
			}
		}
		return nil
	})
	b.send(t, numbered("", 10)...)
	receive(t, s)
	mu.Lock()
	defer mu.Unlock()
	if want := []int{20, 0, 0}; !slices.Equal(waits, want) {
		t.Errorf("calls waited for %v seconds, want %v", waits, want)
	}
}

// The SDK's three tries of a call are carried out, and their answers are lost.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 10)...)
	var lost int
	b.fake.Script(func(call string, _ *sqsfake.Request, _ *sqsfake.Entry) *sqsfake.Refusal {
		if call != "ReceiveMessage" || lost == tries {
			return nil
		}
		lost++
		return &sqsfake.Refusal{Cut: true}
	})
	if _, err := s.Receive(t.Context()); err == nil {
		t.Fatal("no answer came, and it is no error")
	}
	if batch := receive(t, s); len(batch) != 10 {
		t.Errorf("%d of 10 messages came again at once", len(batch))
	}
}

func TestStopWaitsForAnAnswerThatIsOnItsWay(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	s.grace = patience
	b.send(t, numbered("red", 3)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.fake.Answered = func(string) { cancel() }
	batch, err := s.Receive(ctx)
	if err != nil || len(batch) != 3 {
		t.Fatalf("of 3 messages that were handed out %d were received: %v", len(batch), err)
	}
}

func TestStopEndsALongPoll(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.fake.Script(func(string, *sqsfake.Request, *sqsfake.Entry) *sqsfake.Refusal { cancel(); return nil })
	start := time.Now()
	batch, err := s.Receive(ctx)
	if len(batch) > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("received %d messages, error %v", len(batch), err)
	}
	if took := time.Since(start); took > pollWait/2 {
		t.Errorf("it took %s", took)
	}
}

func TestServerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 1)...)
	batch := receive(t, s)
	b.fake.Script(func(string, *sqsfake.Request, *sqsfake.Entry) *sqsfake.Refusal { return &sqsfake.Refusal{Hang: true} })
	t.Cleanup(func() { b.fake.Script(nil) }) // before the source is closed
	s.timeout, s.poll = 100*time.Millisecond, 0
	for name, try := range map[string]func() error{
		"check":       func() error { return s.Check(t.Context()) },
		"extend":      func() error { return s.Extend(t.Context(), batch) },
		"acknowledge": func() error { return s.Settle(t.Context(), judged(batch, ingest.Ack)) },
		"give back":   func() error { return s.Settle(t.Context(), judged(batch, ingest.Retry)) },
		"put down":    func() error { return s.Settle(t.Context(), judged(batch, ingest.DeadLetter)) },
		"receive":     func() error { _, err := s.Receive(t.Context()); return err },
	} {
		start := time.Now()
		if err := try(); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > patience/2 {
			t.Errorf("%s: after %s: %v", name, time.Since(start), err)
		}
	}
}

func TestAttributesThatAreTextAreHeaders(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, sqsfake.Entry{MessageBody: "a", MessageGroupId: "red", MessageAttributes: map[string]sqsfake.Value{
		"traceparent": {DataType: "String", StringValue: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		"tracestate":  {DataType: "String", StringValue: "a=b"},
		"cents":       {DataType: "Number.cents", StringValue: "250"},
		"picture":     {DataType: "Binary", BinaryValue: []byte("GIF")},
	}})
	m := receive(t, s)[0]
	want := ingest.Headers{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=b", "cents": "250"}
	if m.Topic != "orders.fifo" || m.Key != "red" || !maps.Equal(m.Headers, want) {
		t.Errorf("got topic %q, key %q, headers %v", m.Topic, m.Key, m.Headers)
	}
	if got := fmt.Sprint(b.fake.Left(b.name())[0].ID); m.Position != got {
		t.Errorf("the position is %q, want the message's id %q", m.Position, got)
	}
}

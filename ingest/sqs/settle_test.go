package sqs

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

func TestOnlyWhatFailedIsAcknowledgedAgain(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	b.send(t, numbered("", 25)...)
	batch := receive(t, s)
	var asked atomic.Int32
	b.fake.Script(func(call string, _ *sqsfake.Request, e *sqsfake.Entry) *sqsfake.Refusal {
		if call != "DeleteMessageBatch" || e == nil {
			return nil
		}
		asked.Add(1)
		switch e.Id {
		case "3":
			return &sqsfake.Refusal{Code: "InternalError", Text: "try again", OurOwn: true}
		case "4":
			return &sqsfake.Refusal{Code: "RequestThrottled", Text: "slow down"}
		}
		return nil
	})
	settlements := judged(batch, ingest.Ack)
	if err := s.Settle(t.Context(), settlements); err == nil || !strings.Contains(err.Error(), "try again") && !strings.Contains(err.Error(), "slow down") {
		t.Errorf("messages that could not be deleted: %v", err)
	}
	b.fake.Script(func(string, *sqsfake.Request, *sqsfake.Entry) *sqsfake.Refusal { asked.Add(1); return nil })
	if left := b.inQueue(b.name()); len(left) != 6 {
		t.Errorf("left are %q, want two of each ten", left)
	}
	asked.Store(0)
	if err := s.Settle(t.Context(), settlements); err != nil {
		t.Fatal(err)
	}
	if left := b.inQueue(b.name()); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	if got := asked.Load(); got != 1+6 {
		t.Errorf("the second time there was one call with %d messages, want the 6 that were left", got-1)
	}
}

// On a FIFO queue, a receipt is invalid after the message's visibility timeout.
func TestMessageThatIsNotOursAnyMoreComesAgain(t *testing.T) {
	t.Parallel()
	s, b, j := special(t, true)
	b.send(t, numbered("red", 3)...)
	batch := receive(t, s)
	b.fake.Forget()
	if err := s.Settle(t.Context(), judged(batch, ingest.Ack, ingest.DeadLetter, ingest.Retry)); err != nil {
		t.Errorf("messages whose visibility has ended: %v", err)
	}
	if !strings.Contains(j.String(), "ReceiptHandleIsInvalid") {
		t.Errorf("the log does not tell: %s", j)
	}
	again := receive(t, s)
	if !slices.Equal(bodies(again), bodies(batch)) || again[0].Position != batch[0].Position {
		t.Errorf("after %q came %q", bodies(batch), bodies(again))
	}
}

func TestGroupComesAgainFromTheFirstThatIsToComeAgain(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, sqsfake.Entry{MessageBody: "red 0", MessageGroupId: "red"}, sqsfake.Entry{MessageBody: "red 1", MessageGroupId: "red"},
		sqsfake.Entry{MessageBody: "blue 0", MessageGroupId: "blue"}, sqsfake.Entry{MessageBody: "red 2", MessageGroupId: "red"})
	batch := receive(t, s)
	verdicts := []ingest.Verdict{ingest.Ack, ingest.Retry, ingest.Ack, ingest.DeadLetter}
	if err := s.Settle(t.Context(), judged(batch, verdicts...)); err != nil {
		t.Fatal(err)
	}
	if again := bodies(receive(t, s)); !slices.Equal(again, []string{"red 1", "red 2"}) {
		t.Errorf("%q came again, want red 1, red 2", again)
	}
	if dead := b.inQueue(b.deadName()); len(dead) > 0 {
		t.Errorf("%q was put down, and is to come again", dead)
	}
}

func TestExtensionDoesNotHideWhatWasGivenBack(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 3)...)
	batch := receive(t, s)
	if err := s.Settle(t.Context(), judged(batch, ingest.Retry)); err != nil {
		t.Fatal(err)
	}
	if err := s.Extend(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if all, _ := b.fake.Count("ChangeMessageVisibilityBatch"); all != 1 {
		t.Errorf("visibility was changed %d times, want once", all)
	}
	if again := receive(t, s); len(again) != 3 {
		t.Errorf("%d of 3 messages came again", len(again))
	}
}

func TestExtensionReachesWholeBatchesAndGoesOn(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	b.fake.Slow = 5 * time.Millisecond
	b.send(t, numbered("", 500)...)
	batch := receive(t, s)
	var reached atomic.Int32
	b.fake.Script(func(_ string, _ *sqsfake.Request, e *sqsfake.Entry) *sqsfake.Refusal {
		if e != nil && reached.Add(1) == 5 {
			return &sqsfake.Refusal{Code: "InternalError", Text: "try again", OurOwn: true}
		}
		return nil
	})
	if err := s.Extend(t.Context(), batch); err == nil {
		t.Error("one of 500 was not extended, and it is no error")
	}
	if got := reached.Load(); got != 500 {
		t.Errorf("%d of 500 messages were to be extended", got)
	}
	b.fake.Script(nil)
	if err := s.Extend(t.Context(), batch); err != nil {
		t.Error(err)
	}
	if _, most := b.fake.Count("ChangeMessageVisibilityBatch"); most > sideMost || most < 2 {
		t.Errorf("%d calls were made side by side", most)
	}
}

func TestThrottledCallIsMadeAgain(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 3)...)
	batch := receive(t, s)
	var times atomic.Int32
	b.fake.Script(func(_ string, _ *sqsfake.Request, e *sqsfake.Entry) *sqsfake.Refusal {
		if e == nil && times.Add(1) < tries {
			return &sqsfake.Refusal{Code: "RequestThrottled", Text: "slow down"}
		}
		return nil
	})
	if err := s.Settle(t.Context(), judged(batch, ingest.Ack)); err != nil {
		t.Error(err)
	}
	if left := b.inQueue(b.name()); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

func TestCloseGivesBackWhatIsNotSettled(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 10)...)
	batch := receive(t, s)
	if err := s.Settle(context.WithoutCancel(t.Context()), judged(batch[:4], ingest.Ack)); err != nil {
		t.Fatal(err)
	}
	closeSource(t, s)
	other := b.consumer(t, s.log)
	t.Cleanup(func() { closeSource(t, other) })
	if again := receive(t, other); !slices.Equal(bodies(again), bodies(batch[4:])) {
		t.Errorf("%q came again, want %q", bodies(again), bodies(batch[4:]))
	}
}

func TestCloseDisconnects(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 10)...)
	receive(t, s)
	if b.made.Load() == 0 { // those it made may be closed again by now
		t.Fatal("it never connected")
	}
	closeSource(t, s)
	for end := time.After(patience); b.open.Load() > 0; {
		select {
		case <-end:
			t.Fatalf("%d connections are open", b.open.Load())
		case <-time.After(time.Millisecond):
		}
	}
}

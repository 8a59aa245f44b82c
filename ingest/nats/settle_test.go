package nats

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
)

func TestABatchIsSettledOnANewConnection(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*testing.T, *broker){
		"after a cut": func(_ *testing.T, b *broker) { b.cut() },
		"after a restart": func(t *testing.T, b *broker) {
			t.Helper()
			b.Break(t)
			b.Mend(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			b.config.AckWait = time.Hour.String()
			b.publish(t, 1, 4)
			s := b.source(t)
			batch := receive(t, s)
			breaks(t, b)
			settlements := verdicts(ingest.Ack, batch...)
			await(t, "a settlement", func() bool { return s.Settle(within(t), settlements) == nil })
			if info := b.consumer(t); info.NumAckPending != 0 || info.AckFloor.Stream != 4 {
				t.Errorf("%d are not acknowledged, and those up to %d are, want all 4", info.NumAckPending, info.AckFloor.Stream)
			}
		})
	}
}

func TestClosingGivesBackWhatIsNotSettled(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.AckWait = time.Hour.String()
	b.publish(t, 1, 4)
	s := b.source(t)
	wantNumbers(t, bodies(receive(t, s)), 1, 4)
	if err := s.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, take(t, b.source(t), 4), 1, 4)
}

func TestAServerThatHangsDoesNotStopTheSource(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.AckWait = time.Hour.String()
	b.publish(t, 1, 2)
	s := b.source(t)
	settlements := verdicts(ingest.Ack, receive(t, s)...)
	b.deaf.Store(true)
	if err := s.Settle(within(t), settlements); err == nil {
		t.Error("nobody confirmed it, and that was no error")
	}
	b.deaf.Store(false)
	settle(t, s, settlements)
}

// The server then does not answer acknowledgements of its earlier deliveries.
func TestAServerThatForgotItsDeliveriesMakesThemAgain(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	if b.node == nil {
		t.Skip("the server is not ours to crash")
	}
	b.publish(t, 1, 2)
	s := b.source(t)
	wantNumbers(t, take(t, s, 2), 1, 2)
	b.publish(t, 3, 5)
	b.Break(t)
	before := t.TempDir()
	if err := os.CopyFS(before, os.DirFS(b.node.options.StoreDir)); err != nil {
		t.Fatal(err)
	}
	b.Mend(t)
	var batch []ingest.Message
	await(t, "a batch", func() (is bool) {
		var err error
		batch, err = s.Receive(within(t))
		return err == nil
	})
	b.Break(t)
	b.node.options.StoreDir = before
	b.Mend(t)
	await(t, "a settlement", func() bool { return s.Settle(within(t), verdicts(ingest.Ack, batch...)) == nil })
	again := receive(t, s)
	wantNumbers(t, bodies(again), 3, 5)
	for i := range min(len(batch), len(again)) {
		if batch[i].Position != again[i].Position {
			t.Errorf("position %s was %s before", again[i].Position, batch[i].Position)
		}
	}
}

func TestAStreamMadeAgainIsAnother(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.publish(t, 1, 3)
	s := b.source(t)
	old := receive(t, s)
	js := b.admin(t)
	if err := js.DeleteStream(within(t), b.name); err != nil {
		t.Fatal(err)
	}
	b.makeStream(t, js, b.name, b.name+".>")
	b.publish(t, 1, 3)

	// Messages of the old one cannot be settled any more, and must not stop the source.
	await(t, "a settlement", func() bool { return s.Settle(within(t), verdicts(ingest.Ack, old...)) == nil })
	if n := b.kept(t, b.name); len(n) != 3 {
		t.Fatalf("%d messages are there", len(n))
	}
	fresh := receive(t, s)
	wantNumbers(t, bodies(fresh), 1, 3)
	for i := range min(len(old), len(fresh)) {
		// Not only the message's time but also the stream's makes the positions differ.
		if before, now := strings.Split(old[i].Position, "/"), strings.Split(fresh[i].Position, "/"); before[1] == now[1] {
			t.Errorf("position %s was %s in the old stream", fresh[i].Position, old[i].Position)
		}
	}
	settle(t, s, verdicts(ingest.Ack, fresh...))
}

func TestADeadLetterTellsWhereItIsFrom(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	msg := &nats.Msg{Subject: b.name + ".red", Data: []byte("unreadable"), Header: nats.Header{
		"traceparent": {"00-1"}, "Color": {"red", "green"}, jetstream.MsgIDHeader: {"mine"},
	}}
	if _, err := b.admin(t).PublishMsg(within(t), msg); err != nil {
		t.Fatal(err)
	}
	s := b.source(t)
	batch := receive(t, s)
	want := ingest.Headers{"traceparent": "00-1", "Color": "red", jetstream.MsgIDHeader: "mine"}
	if got := batch[0].Headers; !maps.Equal(got, want) {
		t.Errorf("headers %v, want %v", got, want)
	}
	settlements := verdicts(ingest.DeadLetter, batch...)
	settlements[0].Reason = "it says\nnothing"
	settle(t, s, settlements)
	settle(t, s, settlements) // as after an error

	letters := b.kept(t, b.name+"-dead")
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	letter := letters[0]
	if string(letter.Data) != "unreadable" {
		t.Errorf("the body is %q", letter.Data)
	}
	wanted := nats.Header{
		"traceparent": {"00-1"}, "Color": {"red", "green"}, "postrider-reason": {"it says nothing"},
		"postrider-subject": {b.name + ".red"}, "postrider-stream": {b.name}, "postrider-sequence": {"1"},
		jetstream.MsgIDHeader: {"postrider/" + batch[0].Position},
	}
	for name, want := range wanted {
		if got := letter.Header[name]; !slices.Equal(got, want) {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if info := b.consumer(t); info.NumAckPending != 0 {
		t.Errorf("%d messages are not acknowledged", info.NumAckPending)
	}
}

func TestNothingIsAcknowledgedWhileDeadLettersHaveNoPlace(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.config.AckWait = time.Hour.String()
	b.config.DeadLetterSubject = b.name + "-nowhere"
	b.publish(t, 1, 3)
	s := b.source(t)
	batch := receive(t, s)
	settlements := slices.Concat(verdicts(ingest.Ack, batch[0]), verdicts(ingest.DeadLetter, batch[1]), verdicts(ingest.Ack, batch[2]))
	for range 2 {
		wantError(t, s.Settle(within(t), settlements), "dead_letter_subject", b.config.DeadLetterSubject)
	}
	if info := b.consumer(t); info.NumAckPending < 2 || info.AckFloor.Stream > 1 {
		t.Errorf("%d are not acknowledged, and all up to %d are", info.NumAckPending, info.AckFloor.Stream)
	}
	b.makeStream(t, b.admin(t), b.name+"-late", b.name+"-nowhere")
	settle(t, s, settlements)
	if info := b.consumer(t); info.NumAckPending != 0 {
		t.Errorf("%d are not acknowledged", info.NumAckPending)
	}
}

func TestHeadersThatTheLibraryWouldNotWrite(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Color": true, "x-color": true, "two words": false, "größe": false, "Nats-TTL": false, "nats-rollup": false,
	} {
		if got := goesAlong(name); got != want {
			t.Errorf("%q goes along: %t, want %t", name, got, want)
		}
	}
}

func TestSettleRefusesWhatItDidNotReceive(t *testing.T) {
	t.Parallel()
	l := &link{order: newOrder(time.Minute, slog.New(slog.DiscardHandler))}
	err := l.settle(within(t), Config{}, []ingest.Settlement{{}})
	if err == nil || errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("the error is %v", err)
	}
}

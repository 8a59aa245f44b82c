package rabbitmq

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// logged returns a consumer and its log.
func (b *broker) logged(t testing.TB) (*Source, *bytes.Buffer) {
	t.Helper()
	s, log := b.source(t), &bytes.Buffer{}
	s.log = slog.New(slog.NewTextHandler(log, nil))
	return s, log
}

// All properties and headers of a message must fit into one frame, which has 131,072 bytes by default.
func TestDeadLetterWhoseHeadersFillAFrameStopsNothing(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]amqp.Table{
		"one header":   {"large": strings.Repeat("h", 131_000)},
		"many headers": many(1_000),
		"routing keys": {"CC": []any{strings.Repeat("k", 255)}, "large": strings.Repeat("h", 130_700)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, theServer(t), quorum)
			b.publish(t, "", b.config.Queue, amqp.Publishing{Headers: headers, Type: "t", Body: []byte("a body")})
			b.publish(t, "", b.config.Queue, numbered(0, 700)...)
			s, log := b.logged(t)
			all := judged(receiveFull(t, s, 700), ingest.DeadLetter, ingest.Ack)
			settle(t, s, all)
			receiveAll(t, s, 701-len(all))
			closeSource(t, s)
			b.wantLeft(t, 0)
			letters := b.take(t, b.config.DeadLetterRoutingKey)
			if len(letters) != 1 || string(letters[0].Body) != "a body" || letters[0].Type != "t" {
				t.Fatalf("put aside: %d letters", len(letters))
			}
			want := amqp.Table{
				"postrider-reason": "nobody can read it", "postrider-exchange": "", "postrider-routing-key": b.config.Queue,
				"postrider-queue": b.config.Queue, "postrider-left-out": "headers",
			}
			wantHeaders(t, letters[0].Headers, want)
			wantLogged(t, log, b.config.Queue, all[0].Message.Position, "left_out=headers", "nobody can read it")
		})
	}
}

// many returns n headers of 132 bytes each.
func many(n int) amqp.Table {
	all := amqp.Table{}
	for i := range n {
		all[fmt.Sprintf("header-%0122d", i)] = nil
	}
	return all
}

func wantHeaders(t testing.TB, got, want amqp.Table) {
	t.Helper()
	if got, want := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("its headers are %q, want %q", got, want)
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("its header %q is %#v, want %#v", name, got[name], value)
		}
	}
}

// wantLogged checks that exactly one line of the log contains all of these parts.
func wantLogged(t testing.TB, log *bytes.Buffer, parts ...string) {
	t.Helper()
	text := strings.ReplaceAll(log.String(), `"`, "")
	if n := strings.Count(text, "\n"); n != 1 {
		t.Errorf("the log has %d lines, want 1: %s", n, text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("the log says nothing of %q: %s", part, text)
		}
	}
}

func TestDeadLetterKeepsHeadersOfEveryType(t *testing.T) {
	t.Parallel()
	b := newBroker(t, theServer(t), classic)
	b.publish(t, "", b.config.Queue, amqp.Publishing{Headers: everyType})
	letters := b.putDown(t, 1)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	want := maps.Clone(everyType)
	maps.Copy(want, amqp.Table{
		"postrider-reason": "nobody can read it", "postrider-exchange": "", "postrider-routing-key": b.config.Queue,
		"postrider-queue": b.config.Queue,
	})
	wantHeaders(t, letters[0].Headers, want)
}

// A server may be configured for larger frames, for any size, or for smaller frames and messages.
func TestDeadLetterFitsIntoTheLimitsOfItsServer(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	tell := func(setting string) { server.tell(t, "eval", "application:set_env(rabbit, "+setting+").") }
	for _, test := range []struct { //nolint:paralleltest // the settings are the whole server's
		name, setting string
		header, body  int    // bytes of the message
		then          string // a setting for dead letters
		left          string // what the log says was left out
		want          int    // bytes of the body
	}{
		{name: "larger frames", setting: "frame_max, 262144", header: 200_000, body: 10, want: 10},
		{name: "larger frames that are full", setting: "frame_max, 262144", header: 262_000, left: "headers"},
		{name: "any frames", setting: "frame_max, 0", header: 1_000_000, body: 10, want: 10},
		{name: "small frames", setting: "frame_max, 8192", header: 8_000, body: 10_000, left: "headers", want: 10_000},
		{name: "the smallest frames", setting: "frame_max, 4096", header: 3_900, left: "headers"},
		{
			name: "small messages", setting: "frame_max, 131072", header: 10, body: 1_000, then: "max_message_size, 300",
			left: "headers, 750 of 1000 bytes of the body", want: 250,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			tell(test.setting)
			b := newBroker(t, server, quorum)
			b.publish(t, "", b.config.Queue, amqp.Publishing{
				Headers: amqp.Table{"large": strings.Repeat("h", test.header)}, Body: []byte(strings.Repeat("b", test.body)),
			})
			b.publish(t, "", b.config.Queue, numbered(0, 10)...)
			s, log := b.logged(t)
			batch := receiveFull(t, s, 11)
			if test.then != "" {
				tell(test.then)
			}
			settle(t, s, judged(batch, ingest.DeadLetter, ingest.Ack))
			closeSource(t, s)
			b.wantLeft(t, 0)
			letters := b.take(t, b.config.DeadLetterRoutingKey)
			if len(letters) != 1 || len(letters[0].Body) != test.want || letters[0].Headers[ingest.ReasonHeader] != "nobody can read it" {
				t.Fatalf("put aside: %d letters", len(letters))
			}
			if _, kept := letters[0].Headers["large"]; kept != (test.left == "") {
				t.Errorf("its header is kept: %t", kept)
			}
			if test.left != "" {
				wantLogged(t, log, batch[0].Position, "left_out="+test.left)
			}
		})
	}
}

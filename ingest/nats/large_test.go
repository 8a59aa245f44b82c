package nats

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
)

// own starts a server with its own payload limit, and its streams.
func own(t *testing.T, payload int32) (*broker, jetstream.JetStream) {
	t.Helper()
	n := startNode(t, func(o *server.Options) { o.MaxPayload = payload })
	b := &broker{name: "ORDERS", node: n, url: func() string { return n.server.Load().ClientURL() }}
	b.proxy = b.startProxy(t)
	b.config = Config{
		URLs: []string{"nats://" + b.proxy.Addr().String()}, Stream: b.name, Consumer: "postrider", DeadLetterSubject: "dead",
	}
	js := b.admin(t)
	b.makeStream(t, js, b.name, "ORDERS.>")
	b.makeStream(t, js, "dead", "dead")
	return b, js
}

// logged returns a consumer and its log.
func (b *broker) logged(t *testing.T) (*Source, *bytes.Buffer) {
	t.Helper()
	s, log := b.source(t), &bytes.Buffer{}
	s.log = slog.New(slog.NewTextHandler(log, nil))
	return s, log
}

// filled returns a message with a header and a body of the given sizes.
func filled(header, body int) *nats.Msg {
	m := &nats.Msg{Subject: "ORDERS.red", Header: nats.Header{}, Data: []byte(strings.Repeat("b", body))}
	if header > 0 {
		m.Header.Set("own", strings.Repeat("h", header))
	}
	return m
}

func TestADeadLetterOfTheGreatestSizeHasItsPlace(t *testing.T) {
	t.Parallel()
	const kib = 1 << 10
	with := func(others ...string) []string {
		return append(others, jetstream.MsgIDHeader, ingest.ReasonHeader, sequenceHeader, streamHeader, subjectHeader)
	}
	for name, test := range map[string]struct {
		header, body int      // bytes of the message
		payload      int32    // the server's limit
		then         int32    // its limit when dead letters are stored; 0: unchanged
		stream       int32    // the limit of the dead letter stream; 0: the server's
		left         string   // what the log says was left out
		names        []string // expected headers
		want         int      // expected bytes of its body; 0: as many as fit
	}{
		"all of it":       {4 * kib, 11 * kib, 16 * kib, 0, 0, "", with("own"), 11 * kib},
		"without headers": {4 * kib, 12*kib - 50, 16 * kib, 0, 0, "headers", with(ingest.LeftOutHeader), 12*kib - 50},
		"without ours":    {0, 16 * kib, 16 * kib, 0, 0, "reason", nil, 16 * kib},
		"with less than the server once took": {
			0, 64 * kib, 64 * kib, 16 * kib, 0, "49", with(ingest.CutHeader), 0,
		},
		"with less than its stream once took": {
			100, 64 * kib, 1024 * kib, 0, 20 * kib, "headers, 49152 of 65536 bytes of the body",
			with(ingest.LeftOutHeader, ingest.CutHeader), 16 * kib,
		},
		"with headers of the greatest size": {
			65_500, 10, 1024 * kib, 0, 0, "headers", with(ingest.LeftOutHeader), 10,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, js := own(t, test.payload)
			if test.stream != 0 {
				if _, err := js.UpdateStream(within(t), jetstream.StreamConfig{Name: "dead", Subjects: []string{"dead"}, MaxMsgSize: test.stream}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := js.PublishMsg(within(t), filled(test.header, test.body)); err != nil {
				t.Fatal(err)
			}
			b.publish(t, 1, 20)
			s, log := b.logged(t)
			batch := receive(t, s)
			if test.then != 0 {
				b.Break(t)
				b.node.options.MaxPayload = test.then
				b.Mend(t)
			}
			await(t, "a settlement", func() bool { return s.Settle(within(t), verdicts(ingest.DeadLetter, batch...)) == nil })
			for n := len(batch); n < 21; n += len(batch) {
				batch = receive(t, s)
				settle(t, s, verdicts(ingest.DeadLetter, batch...))
			}
			letters := b.kept(t, "dead")
			if len(letters) != 21 {
				t.Fatalf("%d dead letters, want 21", len(letters))
			}
			letter := &nats.Msg{Header: letters[0].Header, Data: letters[0].Data}
			wantLetter(t, letter, test.names, test.want, int(test.then))
			wantLogged(t, log, test.left)
		})
	}
}

// wantLetter checks that a letter has these headers, and a body of n bytes or of as many as fit.
func wantLetter(t *testing.T, letter *nats.Msg, names []string, bytes, most int) {
	t.Helper()
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(letter.Header)); !slices.Equal(got, names) {
		t.Errorf("its headers are %q, want %q", got, names)
	}
	if n := len(letter.Data); bytes > 0 && n != bytes {
		t.Errorf("its body has %d bytes, want %d", n, bytes)
	}
	if n := letter.Size(); bytes == 0 && n != most {
		t.Errorf("it has %d bytes, and might have %d", n, most)
	}
}

// wantLogged checks that the log says once what was left out, or nothing.
func wantLogged(t *testing.T, log *bytes.Buffer, left string) {
	t.Helper()
	text := strings.ReplaceAll(log.String(), `"`, "")
	n := strings.Count(text, "stored in part")
	if left == "" && n > 0 {
		t.Errorf("the log says %s", text)
	}
	for _, part := range []string{"left_out=" + left, "topic=ORDERS.red", "position=ORDERS/", "reason=nobody wants it"} {
		if left != "" && (n != 1 || !strings.Contains(text, part)) {
			t.Errorf("the log does not say once %q: %s", part, text)
		}
	}
}

// A full stream is an unavailable destination: a letter waits for it and is stored completely.
func TestADeadLetterWaitsForAFullStream(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]jetstream.StreamConfig{
		"of messages":             {MaxMsgs: 1},
		"of bytes":                {MaxBytes: 1000},
		"of messages per subject": {MaxMsgsPerSubject: 1, DiscardNewPerSubject: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, js := own(t, 1<<20)
			limit.Name, limit.Subjects, limit.Discard = "dead", []string{"dead"}, jetstream.DiscardNew
			if _, err := js.UpdateStream(within(t), limit); err != nil {
				t.Fatal(err)
			}
			if _, err := js.PublishMsg(within(t), &nats.Msg{Subject: "dead", Data: []byte(strings.Repeat("x", 900))}); err != nil {
				t.Fatal(err)
			}
			if _, err := js.PublishMsg(within(t), filled(100, 500)); err != nil {
				t.Fatal(err)
			}
			s, log := b.logged(t)
			dead := verdicts(ingest.DeadLetter, receive(t, s)...)
			for range 2 {
				wantError(t, s.Settle(within(t), dead), "dead_letter_subject dead", "exceeded")
			}
			stream, err := js.Stream(within(t), "dead")
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Purge(within(t)); err != nil {
				t.Fatal(err)
			}
			settle(t, s, dead)
			letters := b.kept(t, "dead")
			if len(letters) != 1 || len(letters[0].Data) != 500 || letters[0].Header.Get("own") == "" {
				t.Errorf("there are %d letters", len(letters))
			}
			wantLogged(t, log, "")
		})
	}
}

package nats

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

func (b *broker) Remake(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	js := b.admin(t)
	b.deleteStream(t, js, b.name)
	b.makeStream(t, js, b.name, b.name+".>")
	b.Produce(t, messages...)
}

func (b *broker) deleteStream(t testing.TB, js jetstream.JetStream, name string) {
	t.Helper()
	if err := js.DeleteStream(within(t), name); err != nil {
		t.Fatal(err)
	}
}

// Widen adds another subject to the stream.
func (b *broker) Widen(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	js := b.admin(t)
	config := jetstream.StreamConfig{Name: b.name, Subjects: []string{b.name + ".>", b.name + "-wide"}}
	if _, err := js.UpdateStream(within(t), config); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if _, err := js.Publish(within(t), b.name+"-wide", []byte(m.Body)); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *broker) CloseDeadLetters(t testing.TB) (reopen func()) {
	t.Helper()
	js := b.admin(t)
	b.deleteStream(t, js, b.name+"-dead")
	return func() { b.makeStream(t, js, b.name+"-dead", b.name+"-dead") }
}

// Odd messages have the subject of the good ones, unless their subject is what is odd.
func (b *broker) Odd(t testing.TB) []sourcetest.Odd {
	t.Helper()
	js := b.admin(t)
	publish := func(t testing.TB, m *nats.Msg) {
		t.Helper()
		if m.Subject == "" {
			m.Subject = b.name + ".red"
		}
		if _, err := js.PublishMsg(within(t), m); err != nil {
			t.Fatal(err)
		}
	}
	takes := func(body string) bool { return len(body) <= int(js.Conn().MaxPayload()) }
	all := sourcetest.OddBodies(takes, func(t testing.TB, body string) {
		t.Helper()
		publish(t, &nats.Msg{Data: []byte(body)})
	})
	for name, m := range b.oddMessages() {
		if m.Data == nil {
			m.Data = []byte(sourcetest.OddBody(name))
		}
		all = append(all, sourcetest.Odd{Name: name, Send: func(t testing.TB) { t.Helper(); publish(t, m) }})
	}
	for name, header := range unreadable {
		for _, refused := range []string{"", " "} { // with it as a body, too
			all = append(all, sourcetest.Odd{Name: name + refused, Send: func(t testing.TB) {
				t.Helper()
				b.publishRaw(t, header, cmp.Or(refused, sourcetest.OddBody(name)))
			}})
		}
	}
	return all
}

// oddMessages are odd in their headers and subjects. Those with a body are refused.
func (b *broker) oddMessages() map[string]*nats.Msg {
	headers := func(of ...string) *nats.Msg {
		m := &nats.Msg{Header: nats.Header{}}
		for i := 0; i < len(of); i += 2 {
			m.Header[of[i]] = append(m.Header[of[i]], of[i+1])
		}
		return m
	}
	all := map[string]*nats.Msg{
		"an id":                       headers(jetstream.MsgIDHeader, "x"),
		"a header without a value":    headers("traceparent", ""),
		"a header twice":              headers("traceparent", "1", "traceparent", "2"),
		"a header of invalid UTF-8":   headers("x", "\xff\xfe"),
		"a header of 60 kB":           headers("x", strings.Repeat("x", 60_000)),
		"a status":                    headers("Status", "404", "Description", "No Messages"),
		"a status of flow control":    headers("Status", "100", "Nats-Consumer-Stalled", "x"),
		"the reason of a dead letter": headers(ingest.ReasonHeader, "none"),
		"a condition":                 headers(jetstream.ExpectedStreamHeader, b.name),
		"a subject of invalid UTF-8":  {Subject: b.name + ".\xff"},
		"a long subject":              {Subject: b.name + strings.Repeat(".x", 1_000)},
	}
	refused := map[string]*nats.Msg{
		"refused with odd headers":            headers("x", "\x01\x7f\xff"),
		"refused with 64 kB of headers":       headers("x", strings.Repeat("x", 65_500)), // the servers' limit is 65,535
		"refused with the words of a server":  headers(jetstream.MsgIDHeader, "y", "Status", "503"),
		"refused with a subject of odd bytes": {Subject: b.name + ".\xfe\x01"},
	}
	for name, m := range refused {
		m.Data, all[name] = []byte("x"), m
	}
	for _, code := range []string{"100", "404", "408", "409", "503"} {
		m := headers("Status", code, "Description", "Message Size Exceeds MaxBytes")
		m.Data, all["nothing but the status "+code] = []byte{}, m
	}
	return all
}

// unreadable are headers that the library cannot read, or reads but refuses to write.
var unreadable = map[string]string{
	"a header that is none":       "no header",
	"a name with spaces":          "two words: x",
	"a name of invalid UTF-8":     "\xff: x",
	"a header without a name":     ": x",
	"a header with a tab and NUL": "x:\t\x00",
}

// publishRaw publishes a message with an unmodified header line.
func (b *broker) publishRaw(t testing.TB, header, body string) {
	t.Helper()
	address, err := b.address()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	headers := "NATS/1.0\r\n" + header + "\r\n\r\n"
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\": false, \"headers\": true}\r\nHPUB %s.red %d %d\r\n%s%s\r\nPING\r\n",
		b.name, len(headers), len(headers)+len(body), headers, body)
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for answer := make([]byte, 1); !strings.HasSuffix(said, "PONG\r\n"); said += string(answer) {
		if _, err := io.ReadFull(conn, answer); err != nil {
			t.Fatalf("%v after %q", err, said)
		}
	}
	if strings.Contains(said, "-ERR") {
		t.Fatalf("the server says %q", said)
	}
}

package rabbitmq

import (
	"crypto/rand"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

func (b *broker) Remake(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.remake(t, b.config.Queue, b.arguments)
	b.Produce(t, messages...)
}

func (b *broker) remake(t testing.TB, queue string, arguments amqp.Table) {
	t.Helper()
	if _, err := b.channel.QueueDelete(queue, false, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.channel.QueueDeclare(queue, true, false, false, false, arguments); err != nil {
		t.Fatal(err)
	}
}

// Widen binds the queue to an exchange that has not sent it anything yet.
func (b *broker) Widen(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	exchange := "wide-" + rand.Text()
	if err := b.channel.ExchangeDeclare(exchange, amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.channel.ExchangeDelete(exchange, false, false) })
	if err := b.channel.QueueBind(b.config.Queue, "", exchange, false, nil); err != nil {
		t.Fatal(err)
	}
	b.publish(t, exchange, "any", publishings(messages)...)
}

func (b *broker) CloseDeadLetters(t testing.TB) (reopen func()) {
	t.Helper()
	if _, err := b.channel.QueueDelete(b.config.DeadLetterRoutingKey, false, false, false); err != nil {
		t.Fatal(err)
	}
	return func() { b.declare(t, b.config.DeadLetterRoutingKey, quorum) }
}

func (b *broker) Odd(t testing.TB) []sourcetest.Odd {
	t.Helper()
	send := func(t testing.TB, m amqp.Publishing) {
		t.Helper()
		confirmation, err := b.channel.PublishWithDeferredConfirm("", b.config.Queue, true, false, m)
		if err != nil {
			t.Fatal(err)
		}
		if !confirmation.Wait() {
			t.Fatal("a message is not confirmed")
		}
	}
	all := sourcetest.OddBodies(func(string) bool { return true }, func(t testing.TB, body string) {
		t.Helper()
		send(t, amqp.Publishing{MessageId: rand.Text(), Body: []byte(body)})
	})
	for name, m := range oddPublishings() {
		if m.MessageId == "" {
			m.MessageId = rand.Text()
		}
		good, bad := m, m
		good.Body, bad.Body, bad.MessageId = []byte(sourcetest.OddBody(name)), []byte(name), m.MessageId+"!"
		all = append(all,
			sourcetest.Odd{Name: name, Send: func(t testing.TB) { t.Helper(); send(t, good) }},
			sourcetest.Odd{Name: name + ", refused", Send: func(t testing.TB) { t.Helper(); send(t, bad) }})
	}
	return all
}

// oddPublishings are messages with odd properties.
func oddPublishings() map[string]amqp.Publishing {
	all := map[string]amqp.Publishing{
		"gzip without being it":     {ContentEncoding: "gzip", ContentType: "application/json"},
		"an odd content type":       {ContentType: "application/json; charset=\xff"},
		"a high priority":           {Priority: 255},
		"an expiration":             {Expiration: "600000"},
		"a time long before":        {Timestamp: time.Unix(-1<<40, 0)},
		"a time long ahead":         {Timestamp: time.Unix(1<<60, 0)},
		"an id of odd bytes":        {MessageId: "\x00\xff\r\n"},
		"a long id":                 {MessageId: strings.Repeat("x", 250)},
		"properties of odd bytes":   {CorrelationId: "\xff", ReplyTo: "\x00", Type: "\r\n", AppId: "\xfe"},
		"the headers of the server": {Headers: amqp.Table{"x-death": "none", "x-delivery-count": "many", "x-first-death-queue": int8(1)}},
	}
	deep, deeper := any("leaf"), any("leaf")
	for range 15 {
		deep = amqp.Table{"a": []any{deep}}
	}
	for range 500 {
		deeper = []any{amqp.Table{"a": deeper}}
	}
	for kind, value := range map[string]any{
		"nothing": nil, "truth": true, "uint8": uint8(math.MaxUint8), "int8": int8(math.MinInt8), "int16": int16(math.MinInt16),
		"uint16": uint16(math.MaxUint16), "int32": int32(math.MinInt32), "uint32": uint32(math.MaxUint32),
		"int64": int64(math.MinInt64), "float32": float32(-math.MaxFloat32), "float64": math.SmallestNonzeroFloat64,
		"decimal": amqp.Decimal{Scale: 255, Value: -1}, "bytes": []byte{0, 255}, "time": time.Unix(1<<60, 0), "text": "\xff\x00",
		"list": []any{nil, int8(1), "x", []any{}}, "table": amqp.Table{"": nil, "\xff": amqp.Table{}}, "nested": deep,
		"deeper": deeper, "many": make([]any, 9_000),
		"large": strings.Repeat("x", 21_000),
	} {
		all["headers of "+kind] = amqp.Publishing{Headers: amqp.Table{
			"x": value, "traceparent": value, "content-type": value, ingest.ReasonHeader: value, "": value, "\xff\r\n": value,
		}}
	}
	large := amqp.Table{}
	for i := range 5_000 {
		large[fmt.Sprint(i)] = nil
	}
	all["5,000 headers"] = amqp.Publishing{Headers: large}
	return all
}

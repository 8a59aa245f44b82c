package rabbitmq

import (
	"bytes"
	"encoding/binary"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// everyType contains a header of each type that the library reads and writes.
var everyType = amqp.Table{
	"none": nil, "true": true, "byte": byte(255), "int8": int8(-1), "int16": int16(math.MinInt16), "uint16": uint16(math.MaxUint16),
	"int32": int32(math.MinInt32), "uint32": uint32(math.MaxUint32), "int64": int64(math.MinInt64),
	"float32": float32(0.5), "float64": -0.25, "decimal": amqp.Decimal{Scale: 2, Value: -12345},
	"text": "größe\x00\xff", "empty": "", "bytes": []byte{0, 255}, "time": time.Unix(1_700_000_000, 0), "long ago": time.Unix(-1, 0),
	"list": []any{"a", nil, []any{int8(1), amqp.Table{"deep": true}}}, "empty list": []any(nil),
	"table": amqp.Table{"a": amqp.Table{}, "b": []byte("c")}, "": "no name", strings.Repeat("n", 255): "a long name",
}

// wire is a connection that records written bytes.
type wire struct {
	net.Conn
	written bytes.Buffer
}

func (w *wire) Write(b []byte) (int, error) {
	w.written.Write(b)
	return w.Conn.Write(b)
}

// headers returns the sizes of the written header frames.
func (w *wire) headers() (sizes []int) {
	const frameHeader = 2
	for all := w.written.Bytes()[len("AMQP\x00\x00\x09\x01"):]; len(all) > 0; {
		size := 8 + int(binary.BigEndian.Uint32(all[3:]))
		if all[0] == frameHeader {
			sizes = append(sizes, size)
		}
		all = all[size:]
	}
	return sizes
}

func TestHeaderFrameHasTheSizeThatTheLibraryWrites(t *testing.T) {
	t.Parallel()
	s := theServer(t)
	address, err := s.address(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var w *wire
	conn, err := amqp.DialConfig(s.urlAt(address), amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		socket, err := net.Dial(network, address)
		w = &wire{Conn: socket}
		return w, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	full := amqp.Publishing{
		Headers: everyType, ContentType: "t", ContentEncoding: strings.Repeat("e", 255), DeliveryMode: amqp.Persistent, Priority: 1,
		CorrelationId: "c", ReplyTo: "r", Expiration: "1", MessageId: "m", Timestamp: time.Unix(1, 0), Type: "t", UserId: "guest", AppId: "a",
		Body: []byte("body"),
	}
	bare := amqp.Publishing{Headers: amqp.Table{"a": "b"}, DeliveryMode: amqp.Persistent, MessageId: "m"}
	for _, m := range []amqp.Publishing{full, bare} {
		if err := channel.Publish("amq.fanout", "", false, false, m); err != nil {
			t.Fatal(err)
		}
	}
	sizes := w.headers()
	if len(sizes) != 2 || headerFrame(full) != sizes[0] || headerFrame(bare) < sizes[1] || headerFrame(bare) > sizes[1]+20 {
		t.Errorf("the frames have %d bytes, and are taken for %d and %d", sizes, headerFrame(full), headerFrame(bare))
	}
}

package rabbitmq

import (
	"encoding/binary"

	amqp "github.com/rabbitmq/amqp091-go"
)

// headerFrame returns how many bytes the frame takes into which all properties of a message have to
// fit, a few more if properties are missing. The library sends it whatever its size, and RabbitMQ closes
// the connection if it is larger than agreed.
func headerFrame(m amqp.Publishing) int {
	const (
		frame   = 1 + 2 + 4 + 1 // type, channel, size, end
		fixed   = 2 + 2 + 8 + 2 // class, weight, size of the body, which properties there are
		numbers = 1 + 1 + 8     // delivery mode, priority, timestamp
	)
	n := frame + fixed + numbers + field(m.Headers) - 1 // no type
	for _, text := range []string{
		m.ContentType, m.ContentEncoding, m.CorrelationId, m.ReplyTo, m.Expiration, m.MessageId, m.Type, m.UserId, m.AppId,
	} {
		n += 1 + len(text)
	}
	return n
}

// field returns how many bytes a value takes in a table, its type included.
func field(value any) int {
	const kind, length, timestamp = 1, 4, 8
	switch v := value.(type) {
	case nil:
		return kind
	case string:
		return kind + length + len(v)
	case []byte:
		return kind + length + len(v)
	case []any:
		n := kind + length
		for _, each := range v {
			n += field(each)
		}
		return n
	case amqp.Table:
		n := kind + length
		for name, each := range v {
			n += 1 + len(name) + field(each)
		}
		return n
	}
	if size := binary.Size(value); size > 0 { // numbers, truth values and decimals
		return kind + size
	}
	return kind + timestamp
}

package rabbitmq

import (
	"encoding/binary"

	amqp "github.com/rabbitmq/amqp091-go"
)

// headerFrame returns the size in bytes of the frame that contains all properties of a message, or slightly more if
// properties are missing. The library sends the frame whatever its size, and RabbitMQ closes the connection if it
// exceeds the negotiated size.
func headerFrame(m amqp.Publishing) int {
	const (
		frame   = 1 + 2 + 4 + 1 // type, channel, size, end
		fixed   = 2 + 2 + 8 + 2 // class, weight, body size, property flags
		numbers = 1 + 1 + 8     // delivery mode, priority, timestamp
	)
	n := frame + fixed + numbers + field(m.Headers) - 1 // without a type
	for _, text := range []string{
		m.ContentType, m.ContentEncoding, m.CorrelationId, m.ReplyTo, m.Expiration, m.MessageId, m.Type, m.UserId, m.AppId,
	} {
		n += 1 + len(text)
	}
	return n
}

// field returns the size in bytes of a value in a table, including its type.
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
	if size := binary.Size(value); size > 0 { // numbers, booleans and decimals
		return kind + size
	}
	return kind + timestamp
}

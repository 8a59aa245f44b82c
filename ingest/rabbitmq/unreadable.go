package rabbitmq

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
)

// The library closes its connection if headers are more, nested deeper, or in a larger frame than it supports.
// RabbitMQ would redeliver their message again and again, and never the messages after it.
const (
	fieldsMost = 8192 // in a table or list
	depthMost  = 32
)

var errUnreadable = errors.New("its headers cannot be read: they are nested more than 32 deep, there are more " +
	"than 8192 of them, or they are larger than frame_max")

// unreadable marks a message whose headers were removed.
const unreadable = "postrider-unreadable"

// takeMark removes the mark.
func takeMark(headers amqp.Table) error {
	if _, marked := headers[unreadable]; !marked {
		return nil
	}
	delete(headers, unreadable)
	headers[ingest.LeftOutHeader] = "headers"
	return errUnreadable
}

// readable is a connection on which the library can read every message: headers that it cannot read are replaced by
// the mark. The frames are described in https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 4.2.
type readable struct {
	net.Conn
	from  *bufio.Reader
	frame []byte // the frame's start, and all of a frame with properties
	ready []byte // the part of it that the next Read returns
	left  int    // how many bytes of the frame after that are passed on unchanged
	most  int    // the largest frame; 0: any
}

func newReadable(conn net.Conn) *readable {
	return &readable{Conn: conn, from: bufio.NewReaderSize(conn, 64<<10)}
}

// Read waits for data, and returns what is available.
func (r *readable) Read(b []byte) (n int, err error) {
	for n < len(b) && err == nil && (n == 0 || r.from.Buffered() >= startBytes) {
		var more int
		switch {
		case len(r.ready) > 0:
			more = copy(b[n:], r.ready)
			r.ready = r.ready[more:]
		case r.left > 0:
			more, err = r.from.Read(b[n:min(len(b), n+r.left)])
			r.left -= more
		default:
			err = r.next()
		}
		n += more
	}
	return n, err
}

const (
	methodFrame = 1
	propsFrame  = 2
	startBytes  = 1 + 2 + 4 // type, channel, size
	endBytes    = 1

	tune      = 10<<16 | 30 // the method by which the broker sends its limits
	tuneBytes = 12
)

// next reads the start of a frame, and all of a frame with properties.
func (r *readable) next() error {
	r.frame = slices.Grow(r.frame[:0], startBytes)[:startBytes]
	if _, err := io.ReadFull(r.from, r.frame); err != nil {
		return err
	}
	kind, size := r.frame[0], int(binary.BigEndian.Uint32(r.frame[3:]))
	r.ready, r.left = r.frame, size+endBytes
	switch {
	case kind == methodFrame && size == tuneBytes:
		method, err := r.from.Peek(tuneBytes)
		if err == nil && binary.BigEndian.Uint32(method) == tune {
			r.most = int(binary.BigEndian.Uint32(method[6:]))
		}
		return err
	case kind == propsFrame:
		r.frame = slices.Grow(r.frame, size)[:startBytes+size]
		if _, err := io.ReadFull(r.from, r.frame[startBytes:]); err != nil {
			return err
		}
		r.frame = append(r.frame[:startBytes], r.mend(r.frame[startBytes:])...)
		binary.BigEndian.PutUint32(r.frame[3:], uint32(len(r.frame)-startBytes))
		r.ready, r.left = r.frame, endBytes
	}
	return nil
}

// mend replaces headers that cannot be read. Before them come the class, weight, body size and flags and, if flagged,
// the content type and encoding.
func (r *readable) mend(properties []byte) []byte {
	const fixed, hasType, hasEncoding, hasHeaders = 2 + 2 + 8 + 2, 1 << 15, 1 << 14, 1 << 13
	if len(properties) < fixed {
		return properties
	}
	flags, at := binary.BigEndian.Uint16(properties[fixed-2:]), fixed
	for _, flag := range []uint16{hasType, hasEncoding} {
		if flags&flag != 0 && at < len(properties) {
			at += 1 + int(properties[at])
		}
	}
	if flags&hasHeaders == 0 || at+4 > len(properties) {
		return properties
	}
	end := at + 4 + int(binary.BigEndian.Uint32(properties[at:]))
	fits := r.most == 0 || startBytes+len(properties)+endBytes <= r.most
	if end > len(properties) || fits && isReadable(properties[at+4:end], true, 0) {
		return properties
	}
	mark := append([]byte{byte(len(unreadable))}, unreadable+"t\x01"...)
	mended := binary.BigEndian.AppendUint32(properties[:at:at], uint32(len(mark)))
	return append(append(mended, mark...), properties[end:]...)
}

// isReadable reports whether the library can read a table or list.
func isReadable(fields []byte, table bool, depth int) bool {
	for n := 0; len(fields) > 0; n++ {
		if table {
			fields = past(fields, 1+int(fields[0]))
		}
		if n == fieldsMost || len(fields) == 0 {
			return false
		}
		kind, value := fields[0], fields[1:]
		size, known := sizes[kind]
		if !known {
			if len(value) < 4 {
				return false
			}
			size = 4 + int(binary.BigEndian.Uint32(value))
		}
		if size > len(value) {
			return false
		}
		nested := kind == 'F' || kind == 'A'
		if nested && (depth == depthMost || !isReadable(value[4:size], kind == 'F', depth+1)) {
			return false
		}
		fields = value[size:]
	}
	return true
}

// sizes are the sizes of fixed-size fields, by type. Other fields begin with their length.
var sizes = map[byte]int{
	't': 1, 'b': 1, 'B': 1, 's': 2, 'u': 2, 'I': 4, 'i': 4, 'f': 4, 'l': 8, 'd': 8, 'T': 8, 'D': 5, 'V': 0,
}

func past(b []byte, n int) []byte { return b[min(n, len(b)):] }

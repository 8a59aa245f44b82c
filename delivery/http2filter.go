package delivery

import (
	"bufio"
	"bytes"
	"io"
	"net"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// fieldFilter is a connection to an HTTP/2 receiver that removes all header fields from answers except the status and
// Retry-After. net/http discards a whole answer, including its status, if any field is invalid or the header is too
// long.
type fieldFilter struct {
	net.Conn
	in      *bufio.Reader
	passing int64        // bytes left of a frame's payload that is passed through unchanged
	out     bytes.Buffer // bytes to return before those

	frame      http2.FrameHeader // of the header block being read
	block      []byte
	decoder    *hpack.Decoder
	status     string // of the block being decoded
	retryAfter string
}

// headerBlockBytesMax limits the size of an encoded header block. The decoded block may be much larger, but only the
// status and Retry-After are kept.
const headerBlockBytesMax = 256 << 10

// fieldBytesMax is far longer than any valid status or Retry-After.
const fieldBytesMax = 256

func newFieldFilter(conn net.Conn) *fieldFilter {
	f := &fieldFilter{Conn: conn, in: bufio.NewReader(conn)}
	f.decoder = hpack.NewDecoder(4096, f.keep) // the default table size
	return f
}

func (f *fieldFilter) Read(p []byte) (int, error) {
	for f.out.Len() == 0 && f.passing == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	if f.out.Len() > 0 {
		return f.out.Read(p)
	}
	n, err := f.in.Read(p[:min(int64(len(p)), f.passing)])
	f.passing -= int64(n)
	return n, err
}

// next reads a frame's header and, if the frame holds header fields, its payload too.
func (f *fieldFilter) next() error {
	frame, err := http2.ReadFrameHeader(f.in)
	if err != nil {
		return err
	}
	if frame.Type != http2.FrameHeaders && frame.Type != http2.FrameContinuation {
		f.writeHeader(frame)
		f.passing = int64(frame.Length)
		return nil
	}
	if len(f.block)+int(frame.Length) > headerBlockBytesMax {
		return errHeaderTooLong
	}
	payload := make([]byte, frame.Length)
	if _, err := io.ReadFull(f.in, payload); err != nil {
		return err
	}
	switch {
	case frame.Type == http2.FrameHeaders:
		f.frame, f.block = frame, unpadded(frame.Flags, payload)
	case f.block == nil || frame.StreamID != f.frame.StreamID:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	default:
		f.block = append(f.block, payload...)
	}
	if !frame.Flags.Has(http2.FlagHeadersEndHeaders) { // continuations use the same flag
		return nil
	}
	return f.endBlock()
}

// unpadded returns the fragment of a header block in a frame's payload, without padding and priority.
func unpadded(flags http2.Flags, payload []byte) []byte {
	padding := 0
	if flags.Has(http2.FlagHeadersPadded) && len(payload) > 0 {
		padding, payload = int(payload[0]), payload[1:]
	}
	if flags.Has(http2.FlagHeadersPriority) {
		payload = payload[min(5, len(payload)):]
	}
	return payload[:max(0, len(payload)-padding)]
}

// endBlock decodes a complete block and passes on the status and Retry-After.
func (f *fieldFilter) endBlock() error {
	f.status, f.retryAfter = "", ""
	if _, err := f.decoder.Write(f.block); err != nil {
		return err
	}
	if err := f.decoder.Close(); err != nil {
		return err
	}
	f.block = nil
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{{Name: statusField, Value: f.status}, {Name: retryAfterField, Value: f.retryAfter}} {
		if field.Value == "" {
			continue
		}
		field.Sensitive = true // not added to the HPACK table, which would differ between the reader and the receiver
		if err := encoder.WriteField(field); err != nil {
			return err
		}
	}
	frame := f.frame
	frame.Length = uint32(block.Len())
	frame.Flags = frame.Flags&http2.FlagHeadersEndStream | http2.FlagHeadersEndHeaders
	f.writeHeader(frame)
	_, err := block.WriteTo(&f.out)
	return err
}

const (
	statusField     = ":status"
	retryAfterField = "retry-after"
)

// keep is called with each field of a block.
func (f *fieldFilter) keep(field hpack.HeaderField) {
	if len(field.Value) > fieldBytesMax || !httpguts.ValidHeaderFieldValue(field.Value) {
		return
	}
	switch field.Name {
	case statusField:
		f.status = field.Value
	case retryAfterField:
		f.retryAfter = field.Value
	}
}

func (f *fieldFilter) writeHeader(h http2.FrameHeader) {
	f.out.Write([]byte{
		byte(h.Length >> 16), byte(h.Length >> 8), byte(h.Length), byte(h.Type), byte(h.Flags),
		byte(h.StreamID >> 24), byte(h.StreamID >> 16), byte(h.StreamID >> 8), byte(h.StreamID),
	})
}

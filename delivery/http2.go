package delivery

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// http2Conn is a connection that many attempts share. It is net/http's client connection: that sends each
// request once, where its transport sends one again for as long as the receiver refuses it.
type http2Conn struct {
	pool     *pool
	target   target
	client   *http.ClientConn
	requests atomic.Int64 // how many were given a place on it

	usedAt  time.Time     // these two are guarded by pool.mu
	element *list.Element // in pool.kept; nil: the connection ends with its last request
}

// An HTTP/2 connection carries all attempts at a receiver. One that silently died would fail them all
// until the kernel gives it up, after a quarter of an hour; a ping finds out within an attempt's time.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// newHTTP2Transport makes HTTP/2 of connections that exist: NewClientConn is given one with its context. To
// the transport they are plain; TLS is below them.
func newHTTP2Transport() *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return ctx.Value(connKey{}).(net.Conn), nil
		},
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: pingAfter},
		IdleConnTimeout:        keptFor,
		Protocols:              new(http.Protocols),
		DisableCompression:     true, // what is kept of a response is what was sent
		MaxResponseHeaderBytes: headerBytesMax,
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

type connKey struct{}

// newHTTP2Conn speaks HTTP/2 on a connection whose TLS handshake has agreed on it.
func newHTTP2Conn(ctx context.Context, p *pool, t target, conn net.Conn) (*http2Conn, error) {
	ctx = context.WithValue(ctx, connKey{}, newFieldFilter(conn))
	client, err := p.http2.NewClientConn(ctx, "http", t.address)
	if err != nil {
		return nil, err
	}
	return &http2Conn{pool: p, target: t, client: client}, nil
}

// reserve takes a place for one request; false: the connection has none, or none any more.
func (c *http2Conn) reserve() (kept, ok bool) {
	if c.client.Reserve() != nil {
		return false, false
	}
	return c.requests.Add(1) > 1, true
}

// close may wait for a moment, to tell the receiver.
func (c *http2Conn) close() { _ = c.client.Close() }

// http2Stream is a place on a connection, for one attempt.
type http2Stream struct {
	*http2Conn
	reused bool
}

func (s http2Stream) kept() bool { return s.reused }

func (s http2Stream) exchange(request *http.Request, bodyWithin time.Duration, giveUp context.CancelFunc) (answer, error) {
	defer s.pool.leave(s.http2Conn)
	trip := tripOf(request.Context())
	trip.reach(sending)
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				trip.reach(awaiting)
			}
		},
		GotFirstResponseByte: func() { trip.reach(answering) },
	})
	response, err := s.client.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	late := time.AfterFunc(bodyWithin, giveUp)
	defer late.Stop()
	body, _ := readSome(response.Body)
	return answer{response.StatusCode, response.Header.Get("Retry-After"), body}, nil
}

// streamError has the shape of net/http's own, which is not exported but turns into any such type.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return e.Cause.Error() }

// Error codes of RFC 9113, section 7.
const (
	codeProtocolError  = 0x1
	codeRefusedStream  = 0x7
	codeHTTP11Required = 0xd
)

// isAnyStreamError reports whether the receiver, or the library on reading its answer, ended this one stream.
func isAnyStreamError(err error) bool {
	_, ok := errors.AsType[streamError](err)
	return ok
}

func isStreamError(err error, code uint32) bool {
	e, ok := errors.AsType[streamError](err)
	return ok && e.Code == code
}

// isHTTP11Required reports whether a receiver wants the request by HTTP/1.1. One that says so for the whole
// connection makes an error that has no type.
func isHTTP11Required(err error) bool {
	return isStreamError(err, codeHTTP11Required) || strings.Contains(err.Error(), "ErrCode:HTTP_1_1_REQUIRED") ||
		strings.Contains(err.Error(), "ErrCode=HTTP_1_1_REQUIRED")
}

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

// http2Conn is a connection that many attempts share. It uses net/http's client connection, which sends each request
// once, and not its transport, which resends a request for as long as the receiver refuses it.
type http2Conn struct {
	pool     *pool
	target   target
	conn     net.Conn
	client   *http.ClientConn
	requests atomic.Int64 // number of requests that reserved a stream on it

	usedAt  time.Time     // these two are guarded by pool.mu
	element *list.Element // in pool.kept; if nil, the connection is closed after its last request
}

// An HTTP/2 connection carries all attempts to a receiver. If the connection died silently, they would all fail until
// the kernel gave it up after 15 minutes. A ping detects that within the time of an attempt.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// newHTTP2Transport returns a transport that speaks HTTP/2 on existing connections, which NewClientConn receives in
// its context. The transport sees them as unencrypted, because TLS is below them.
func newHTTP2Transport() *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return ctx.Value(connKey{}).(net.Conn), nil
		},
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: pingAfter},
		IdleConnTimeout:        keptFor,
		Protocols:              new(http.Protocols),
		DisableCompression:     true, // responses are kept as they were sent
		MaxResponseHeaderBytes: headerBytesMax,
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

type connKey struct{}

// newHTTP2Conn speaks HTTP/2 on a connection whose TLS handshake negotiated it.
func newHTTP2Conn(ctx context.Context, p *pool, t target, conn net.Conn) (*http2Conn, error) {
	ctx = context.WithValue(ctx, connKey{}, newFieldFilter(conn))
	client, err := p.http2.NewClientConn(ctx, "http", t.address)
	if err != nil {
		return nil, err
	}
	return &http2Conn{pool: p, target: t, conn: conn, client: client}, nil
}

// reserve reserves a stream for one request. ok is false if the connection has no free stream or is closed.
func (c *http2Conn) reserve() (kept, ok bool) {
	if c.client.Reserve() != nil {
		return false, false
	}
	return c.requests.Add(1) > 1, true
}

// close may block briefly to notify the receiver.
func (c *http2Conn) close() { _ = c.client.Close() }

// http2Stream is a stream reserved on a connection for one attempt.
type http2Stream struct {
	*http2Conn
	reused bool
}

func (s http2Stream) kept() bool { return s.reused }

func (s http2Stream) peer() (net.Addr, string) { return s.conn.RemoteAddr(), "2" }

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
	if response.StatusCode < 100 || response.StatusCode > 999 {
		return answer{}, errNotHTTP // the library passes on any number
	}
	late := time.AfterFunc(bodyWithin, giveUp)
	defer late.Stop()
	body, _ := readSome(response.Body)
	return answer{response.StatusCode, response.Header.Get("Retry-After"), body}, nil
}

// streamError has the same shape as net/http's stream error, which is not exported but converts to any such type in
// errors.As.
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

// isAnyStreamError reports whether only this stream was ended, by the receiver or by the library when it read the
// answer.
func isAnyStreamError(err error) bool {
	_, ok := errors.AsType[streamError](err)
	return ok
}

func isStreamError(err error, code uint32) bool {
	e, ok := errors.AsType[streamError](err)
	return ok && e.Code == code
}

// isHTTP11Required reports whether a receiver requires HTTP/1.1 for the request. If it does so for the whole
// connection, the error has no type and is recognised by its text.
func isHTTP11Required(err error) bool {
	return isStreamError(err, codeHTTP11Required) || strings.Contains(err.Error(), "ErrCode:HTTP_1_1_REQUIRED") ||
		strings.Contains(err.Error(), "ErrCode=HTTP_1_1_REQUIRED")
}

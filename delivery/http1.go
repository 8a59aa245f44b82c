package delivery

import (
	"bufio"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// http1Conn is a connection used by one attempt at a time. It does not use net/http's transport, which resends a
// request each time it finds a connection closed, prefers a write error to an answer that has arrived, and rejects
// any answer that has a malformed line.
type http1Conn struct {
	pool   *pool
	target target
	conn   net.Conn
	reader *bufio.Reader
	writer *bufio.Writer
	reused bool

	usedAt  time.Time     // these two are guarded by pool.mu
	element *list.Element // in pool.kept
}

func newHTTP1Conn(p *pool, t target, conn net.Conn) *http1Conn {
	return &http1Conn{pool: p, target: t, conn: conn, reader: bufio.NewReader(conn), writer: bufio.NewWriter(conn)}
}

func (c *http1Conn) kept() bool { return c.reused }

func (c *http1Conn) peer() (net.Addr, string) { return c.conn.RemoteAddr(), "1.1" }

// exchange sends the request and reads the answer concurrently: a receiver may answer before it has read the whole
// request, and close the connection. Its answer then counts, whatever happens to the request.
func (c *http1Conn) exchange(request *http.Request, bodyWithin time.Duration, giveUp context.CancelFunc) (answer, error) {
	ctx := request.Context()
	trip := tripOf(ctx)
	trip.reach(sending)
	interrupt := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(longAgo) })
	out := &outgoing{done: make(chan struct{})}
	go func() { defer close(out.done); out.err = c.send(request, trip) }()
	a, reusable, err := c.receive(trip, bodyWithin, giveUp)
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	reusable = reusable && out.finishes()
	if interrupt() && reusable && c.reader.Buffered() == 0 {
		c.pool.keep(c)
		return a, nil
	}
	c.close()
	<-out.done // because the caller may send the request again
	return a, err
}

// outgoing is a request that is being written.
type outgoing struct {
	done chan struct{}
	err  error // valid once done is closed
}

// sendingMax is how long writing a request may still take after its answer was read. An answer can be read before the
// goroutine that sent the request finishes, but if the receiver leaves part of a request unread, the connection is
// closed.
const sendingMax = 50 * time.Millisecond

// finishes reports whether the request was written in full, waiting up to sendingMax.
func (s *outgoing) finishes() bool {
	select {
	case <-s.done:
		return s.err == nil
	default:
	}
	select {
	case <-s.done:
		return s.err == nil
	case <-time.After(sendingMax):
		return false
	}
}

// longAgo is a deadline that makes reads and writes fail at once.
var longAgo = time.Unix(1, 0)

func (c *http1Conn) send(request *http.Request, trip *trip) error {
	err := request.Write(c.writer)
	if err == nil {
		err = c.writer.Flush()
	}
	if err == nil {
		trip.reach(awaiting)
	}
	return err
}

// receive reads the answer. reusable reports whether the answer was read to its end and the receiver keeps the
// connection open.
func (c *http1Conn) receive(trip *trip, bodyWithin time.Duration, giveUp context.CancelFunc) (a answer, reusable bool, err error) {
	if _, err := c.reader.Peek(1); err != nil {
		return answer{}, false, err
	}
	trip.reach(answering)
	h, err := readHeader(c.reader)
	if err != nil {
		return answer{}, false, err
	}
	late := time.AfterFunc(bodyWithin, giveUp)
	defer late.Stop()
	body, whole := h.readBody(c.reader)
	return answer{status: h.status, retryAfter: h.retryAfter, body: body}, whole && h.keeps(), nil
}

// usable reports whether a kept connection is still open and has nothing to read: unsolicited data is not an answer
// to the next request. It checks the data that TLS has already decrypted, and then the socket.
func (c *http1Conn) usable() bool {
	if _, isTLS := c.conn.(*tls.Conn); isTLS {
		_ = c.conn.SetReadDeadline(longAgo)
		_, err := c.reader.Peek(1)
		_ = c.conn.SetReadDeadline(time.Time{})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
	return isSilent(c.conn)
}

func (c *http1Conn) close() { socket(c.conn).Close() }

// socket returns the connection below TLS. Closing it does not wait for a TLS close notification to be sent.
func socket(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}

// isSilent reports whether a socket has nothing to read: no data, no EOF and no error.
func isSilent(conn net.Conn) bool {
	c, ok := socket(conn).(syscall.Conn)
	if !ok {
		return false // a connection that cannot be checked is not reused
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = errors.Is(err, syscall.EAGAIN)
	})
	return err == nil && silent
}

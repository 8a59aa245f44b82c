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

// http1Conn is a connection that one attempt at a time has to itself. net/http's transport is not used
// for these: it sends a request again as often as it finds a connection closed, believes a write error
// before an answer that is there, and takes no answer that has a malformed line.
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

// exchange sends the request and reads the answer beside it: a receiver may answer before it has read
// everything, and close. Then its answer counts, whatever becomes of the request.
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
	<-out.done // the caller may send the request again
	return a, err
}

// outgoing is a request on its way out.
type outgoing struct {
	done chan struct{}
	err  error // once done is closed
}

// sendingMax is how long a request may still be on its way out once it was answered. An answer can be quicker than the
// goroutine that sent the request, but a receiver that leaves part of a request unread costs the connection.
const sendingMax = 50 * time.Millisecond

// finishes reports whether the request goes out whole.
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

// longAgo is a deadline that ends reads and writes at once.
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

// receive reads the answer. Reusable: the connection stands where the next answer begins, and is kept open.
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

// usable reports whether a kept connection is still open and silent. What a receiver says unasked is no
// answer to the next request. The check looks at what TLS has decrypted already, and then at the socket.
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

// socket is the connection below TLS. Closing it does not wait to tell the other side.
func socket(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}

// isSilent reports whether nothing can be read from a socket: no data, no end, no error.
func isSilent(conn net.Conn) bool {
	c, ok := socket(conn).(syscall.Conn)
	if !ok {
		return false // what cannot be looked into is used once
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

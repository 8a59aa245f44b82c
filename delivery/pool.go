package delivery

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pool makes connections and reuses them across attempts.
type pool struct {
	clock   func() time.Time
	egress  *egress
	roots   *x509.CertPool
	http2   *http.Transport
	maxKept int // connections in total
	perHost int // HTTP/1 connections per receiver: half, because one may host the endpoints of many customers

	mu    sync.Mutex
	hosts map[target]*host
	kept  *list.List  // of *http1Conn and *http2Conn, most recently used last
	sweep *time.Timer // nil if hosts is empty
}

// target identifies the receiver of a connection. Requests with the same target may share connections.
type target struct{ scheme, address string }

// host is the state kept about a receiver.
type host struct {
	idle       []*http1Conn // most recently used last
	shared     []*http2Conn
	http1Until time.Time // it refused HTTP/2, so HTTP/1.1 is used until then
}

const (
	keptFor    = 90 * time.Second // after a connection's last use
	http1For   = time.Hour
	sweepEvery = 10 * time.Second
)

// link is a way to send one request.
type link interface {
	// exchange sends the request once and reads the answer. If reading the body takes longer than bodyWithin, exchange
	// calls giveUp. Afterwards the connection is back in the pool or closed.
	exchange(request *http.Request, bodyWithin time.Duration, giveUp context.CancelFunc) (answer, error)
	// kept reports whether the connection has carried a request before. The receiver may then have been about to
	// close it.
	kept() bool
	// peer returns the address of the other side, which is the proxy's if there is one, and the version of HTTP.
	peer() (address net.Addr, version string)
}

func newPool(c Config, clock func() time.Time) *pool {
	return &pool{
		clock: clock, egress: newEgress(c, clock), roots: c.Roots, http2: newHTTP2Transport(),
		maxKept: c.IdleConnections, perHost: (c.IdleConnections + 1) / 2, hosts: map[target]*host{}, kept: list.New(),
	}
}

var schemePorts = map[string]string{"http": "80", "https": "443"}

// targetOf returns the target of requests to a URL.
func targetOf(u *url.URL) target {
	return target{u.Scheme, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), schemePorts[u.Scheme]))}
}

// get returns a kept connection for a request or makes a new one. If fresh is set, it always makes a new one.
func (p *pool) get(ctx context.Context, t target, fresh bool) (link, error) {
	if !fresh {
		if l := p.take(t); l != nil {
			return l, nil
		}
	}
	conn, err := p.egress.dial(ctx, t.address)
	if err != nil {
		return nil, err
	}
	if t.scheme == "http" {
		return newHTTP1Conn(p, t, conn), nil
	}
	return p.secure(ctx, t, conn)
}

// take returns a kept connection, or nil if there is none.
func (p *pool) take(t target) link {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.hosts[t]
	if !ok {
		return nil
	}
	for _, c := range h.shared {
		if reused, ok := c.reserve(); ok {
			p.kept.MoveToBack(c.element)
			return http2Stream{c, reused}
		}
	}
	for len(h.idle) > 0 {
		c := h.idle[len(h.idle)-1]
		p.remove(c.element)
		if c.usable() {
			c.reused = true
			return c
		}
		c.close()
	}
	return nil
}

// secure performs the TLS handshake, in which the receiver chooses the HTTP version.
func (p *pool) secure(ctx context.Context, t target, conn net.Conn) (link, error) {
	tripOf(ctx).reach(securing)
	name, _, err := net.SplitHostPort(t.address)
	if err != nil {
		return nil, err
	}
	protocols := []string{"h2", "http/1.1"}
	if p.refusesHTTP2(t) {
		protocols = protocols[1:]
	}
	secured := tls.Client(&stubbornConn{Conn: conn}, &tls.Config{RootCAs: p.roots, ServerName: name, NextProtos: protocols})
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, cmp.Or(ctx.Err(), err)
	}
	if secured.ConnectionState().NegotiatedProtocol != "h2" {
		return newHTTP1Conn(p, t, secured), nil
	}
	c, err := newHTTP2Conn(ctx, p, t, secured)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return p.share(t, c), nil
}

// share makes a connection available to other attempts unless another one already is.
func (p *pool) share(t target, c *http2Conn) link {
	_, _ = c.reserve()
	p.mu.Lock()
	defer p.mu.Unlock()
	available := func(c *http2Conn) bool { return c.client.Available() > 0 }
	if h := p.host(t); !slices.ContainsFunc(h.shared, available) {
		h.shared = append(h.shared, c)
		c.element = p.kept.PushBack(c)
		p.trim()
	}
	return http2Stream{c, false}
}

// leave is called after each request on a shared connection. It closes a connection that is not kept after its last
// request.
func (p *pool) leave(c *http2Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.usedAt = p.clock()
	if c.element == nil && c.client.InFlight() == 0 {
		go c.close()
	}
}

// keep returns a connection to the pool.
func (p *pool) keep(c *http1Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(c.target)
	if len(h.idle) >= p.perHost {
		c.close()
		return
	}
	c.usedAt = p.clock()
	h.idle = append(h.idle, c)
	c.element = p.kept.PushBack(c)
	p.trim()
}

// trim closes the least recently used connections while there are more than maxKept.
func (p *pool) trim() {
	for p.kept.Len() > p.maxKept {
		p.evict(p.kept.Front())
	}
}

// evict closes a kept connection; a shared one is closed after its last request.
func (p *pool) evict(e *list.Element) {
	p.remove(e)
	switch c := e.Value.(type) {
	case *http1Conn:
		c.close()
	case *http2Conn:
		if c.client.InFlight() == 0 {
			go c.close()
		}
	}
}

// remove removes a connection from the pool without closing it.
func (p *pool) remove(e *list.Element) {
	p.kept.Remove(e)
	switch c := e.Value.(type) {
	case *http1Conn:
		c.element = nil
		h := p.hosts[c.target]
		h.idle = slices.DeleteFunc(h.idle, func(other *http1Conn) bool { return other == c })
	case *http2Conn:
		c.element = nil
		h := p.hosts[c.target]
		h.shared = slices.DeleteFunc(h.shared, func(other *http2Conn) bool { return other == c })
	}
}

func (p *pool) host(t target) *host {
	h, ok := p.hosts[t]
	if !ok {
		h = &host{}
		p.hosts[t] = h
	}
	if p.sweep == nil {
		p.sweep = time.AfterFunc(sweepEvery, p.sweepOut)
	}
	return h
}

// sweepOut closes connections that were unused for too long or that receivers have closed, and removes hosts that
// have no state left.
func (p *pool) sweepOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	var next *list.Element
	for e := p.kept.Front(); e != nil; e = next {
		next = e.Next()
		if isStale(e.Value, now) {
			p.evict(e)
		}
	}
	for t, h := range p.hosts {
		if len(h.idle) == 0 && len(h.shared) == 0 && now.After(h.http1Until) {
			delete(p.hosts, t)
		}
	}
	if p.sweep = nil; len(p.hosts) > 0 {
		p.sweep = time.AfterFunc(sweepEvery, p.sweepOut)
	}
}

func isStale(conn any, now time.Time) bool {
	switch c := conn.(type) {
	case *http1Conn:
		return now.Sub(c.usedAt) > keptFor || !c.usable()
	case *http2Conn:
		return c.client.Err() != nil || c.client.InFlight() == 0 && now.Sub(c.usedAt) > keptFor
	}
	return true
}

// refuseHTTP2 records that a receiver accepts only HTTP/1.1.
func (p *pool) refuseHTTP2(t target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.host(t)
	h.http1Until = p.clock().Add(http1For)
	for _, c := range slices.Clone(h.shared) {
		p.evict(c.element)
	}
}

func (p *pool) refusesHTTP2(t target) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.hosts[t]
	return ok && p.clock().Before(h.http1Until)
}

// closeKept closes all kept connections, including those in use by attempts that share them.
func (p *pool) closeKept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.kept.Len() > 0 {
		e := p.kept.Front()
		p.evict(e)
		if c, ok := e.Value.(*http2Conn); ok {
			go c.close()
		}
	}
}

// stubbornConn is a connection whose writes appear to succeed after one has failed. HTTP/2 gives up a connection that
// it cannot write to, even if an answer has arrived. With stubbornConn the result of reading counts, be it an answer
// or an error.
type stubbornConn struct {
	net.Conn
	broken atomic.Bool
}

func (c *stubbornConn) Write(p []byte) (int, error) {
	if !c.broken.Load() {
		n, err := c.Conn.Write(p)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return n, err
		}
		c.broken.Store(true)
	}
	return len(p), nil
}

// NetConn returns the underlying connection.
func (c *stubbornConn) NetConn() net.Conn { return c.Conn }

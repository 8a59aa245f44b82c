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

// pool makes connections and keeps them from one attempt to the next.
type pool struct {
	clock   func() time.Time
	egress  *egress
	roots   *x509.CertPool
	http2   *http.Transport
	maxKept int // connections, in all
	perHost int // HTTP/1 connections, to one receiver

	mu    sync.Mutex
	hosts map[target]*host
	kept  *list.List  // of *http1Conn and *http2Conn, the one that was used last at the end
	sweep *time.Timer // nil: hosts is empty
}

// target is what connections can be shared for.
type target struct{ scheme, address string }

// host is what is known of a receiver.
type host struct {
	idle       []*http1Conn // the one that was used last is at the end
	shared     []*http2Conn
	http1Until time.Time // it refused HTTP/2
}

const (
	keptFor    = 90 * time.Second // after a connection was used last
	http1For   = time.Hour
	sweepEvery = 10 * time.Second
)

// link is a way to send one request.
type link interface {
	// exchange sends the request, once, and reads the answer. The body has a time of its own: it is given up, by
	// giveUp, once that is over. The connection is the pool's again, or closed.
	exchange(request *http.Request, bodyWithin time.Duration, giveUp context.CancelFunc) (answer, error)
	// kept reports whether the connection has carried a request before, so that the receiver may have been
	// about to close it.
	kept() bool
}

func newPool(c Config, clock func() time.Time) *pool {
	return &pool{
		clock: clock, egress: newEgress(c, clock), roots: c.Roots, http2: newHTTP2Transport(),
		maxKept: c.IdleConnections, perHost: c.EndpointConcurrency, hosts: map[target]*host{}, kept: list.New(),
	}
}

var schemePorts = map[string]string{"http": "80", "https": "443"}

// targetOf is where a URL's requests go.
func targetOf(u *url.URL) target {
	return target{u.Scheme, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), schemePorts[u.Scheme]))}
}

// get finds a connection for a request, or makes one; always the latter if it is to be fresh.
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

// take finds a connection that is kept.
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

// secure makes the TLS handshake, by which the receiver chooses the version of HTTP.
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

// share has other attempts use a connection, too, unless there is one already.
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

// leave is called after each request on a shared connection. One that is not kept ends with its last.
func (p *pool) leave(c *http2Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.usedAt = p.clock()
	if c.element == nil && c.client.InFlight() == 0 {
		go c.close()
	}
}

// keep takes a connection back.
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

// trim closes what was not used for longest while there is too much.
func (p *pool) trim() {
	for p.kept.Len() > p.maxKept {
		p.evict(p.kept.Front())
	}
}

// evict closes a connection that is kept; a shared one once its last request has ended.
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

// remove keeps a connection no longer.
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

// sweepOut closes what was not used for long and what receivers have closed, and forgets hosts of which
// nothing is left to know.
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

// refuseHTTP2 notes that a receiver wants HTTP/1.1 only.
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

// closeKept closes all connections that are kept, also under attempts that share one.
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

// stubbornConn is a connection whose writes succeed once one has failed. HTTP/2 gives up a connection that it
// cannot write to, though the answer may be there to be read. What reading finds in the end, an answer or
// an error, is what counts.
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

// NetConn is what is below.
func (c *stubbornConn) NetConn() net.Conn { return c.Conn }

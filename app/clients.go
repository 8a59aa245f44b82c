package app

import (
	"net"
	"sync"
)

// clientListener limits the number of accepted connections; further ones wait in the kernel. It is like
// netutil.LimitListener, whose connections hide CloseWrite. The server needs CloseWrite so that a client which is
// still sending can read why it was refused.
type clientListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  sync.Once
}

func newClientListener(l net.Listener, places int) *clientListener {
	return &clientListener{Listener: l, places: make(chan struct{}, places), closed: make(chan struct{})}
}

func (l *clientListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &clientConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *clientListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type clientConn struct {
	net.Conn
	leave func()
}

func (c *clientConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite tells the client that no more data will follow.
func (c *clientConn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}

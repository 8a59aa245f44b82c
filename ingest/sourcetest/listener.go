package sourcetest

import (
	"net"
	"sync"
	"testing"
)

// Listener is a listener that a test can break: all its connections end, and new ones are closed at once. In-process
// servers listen on it.
type Listener struct {
	net.Listener

	mu     sync.Mutex
	broken bool
	conns  map[net.Conn]struct{}
}

// Listen listens on a free local port.
func Listen(t testing.TB) *Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &Listener{Listener: listener, conns: map[net.Conn]struct{}{}}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		broken := l.broken
		if !broken {
			l.conns[conn] = struct{}{}
		}
		l.mu.Unlock()
		if broken {
			_ = conn.Close()
			continue
		}
		return &listened{conn, l}, nil
	}
}

// Break closes all connections and rejects new ones.
func (l *Listener) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for conn := range l.conns {
		_ = conn.Close()
	}
	clear(l.conns)
}

// Mend accepts connections again.
func (l *Listener) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
}

type listened struct {
	net.Conn
	of *Listener
}

func (c *listened) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

package rabbitmq

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/postrider/postrider/ingest/sourcetest"
)

// proxy sits between a test's consumers and the server, and can break for them alone. It can also stop all traffic,
// like a network with a frozen machine.
type proxy struct {
	*sourcetest.Listener
	frozen sync.RWMutex
}

// newProxy returns a proxy that terminates TLS if given a configuration.
func newProxy(t testing.TB, to *server, secure *tls.Config) *proxy {
	t.Helper()
	p := &proxy{Listener: sourcetest.Listen(t)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := p.Accept()
			if err != nil {
				return
			}
			if secure != nil {
				conn = tls.Server(conn, secure)
			}
			all.Go(func() { p.join(conn, to) })
		}
	})
	t.Cleanup(func() {
		_ = p.Close()
		p.Break()
		all.Wait()
	})
	return p
}

func (p *proxy) join(conn net.Conn, to *server) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	address, err := to.address(ctx)
	if err != nil {
		return // as if nothing listened
	}
	other, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		defer conn.Close()
		_, _ = io.Copy(thawed{conn, p}, other)
	})
	_, _ = io.Copy(thawed{other, p}, conn)
	other.Close()
	back.Wait()
}

// thawed is a writer that blocks while the proxy is frozen.
type thawed struct {
	io.Writer
	proxy *proxy
}

func (w thawed) Write(text []byte) (int, error) {
	w.proxy.frozen.RLock()
	defer w.proxy.frozen.RUnlock()
	return w.Writer.Write(text)
}

func (p *proxy) freeze() { p.frozen.Lock() }
func (p *proxy) thaw()   { p.frozen.Unlock() }

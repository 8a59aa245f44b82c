package nats

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/postrider/postrider/ingest/sourcetest"
)

// startProxy forwards connections to the server's current address.
func (b *broker) startProxy(t testing.TB) *sourcetest.Listener {
	t.Helper()
	listener := sourcetest.Listen(t)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			done.Go(func() { b.pass(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		listener.Break()
		done.Wait()
	})
	return listener
}

func (b *broker) pass(client net.Conn) {
	defer client.Close()
	address, err := b.address()
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	var done sync.WaitGroup
	done.Go(func() {
		_, _ = io.Copy(server, client)
		server.Close()
	})
	_, _ = io.Copy(ear{client, b}, server)
	client.Close()
	done.Wait()
}

// ear is a connection that receives nothing while its broker's proxy is deaf.
type ear struct {
	net.Conn
	of *broker
}

func (e ear) Write(p []byte) (int, error) {
	if e.of.deaf.Load() {
		return len(p), nil
	}
	return e.Conn.Write(p)
}

// cut closes all connections.
func (b *broker) cut() {
	b.proxy.Break()
	b.proxy.Mend()
}

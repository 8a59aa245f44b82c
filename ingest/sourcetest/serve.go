package sourcetest

import (
	"net"
	"testing"
)

// Serve serves each connection to a local port, one after the other: it simulates a port that is not the broker's.
func Serve(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	listener := Listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

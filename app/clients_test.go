package app

import (
	"errors"
	"net"
	"testing"
)

func TestClientsWaitForAPlace(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newClientListener(inner, 1)
	for range 2 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := first.(interface{ CloseWrite() error }); !ok {
		t.Error("CloseWrite is hidden")
	}
	accepted := make(chan net.Conn)
	go func() {
		second, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- second
	}()
	select {
	case <-accepted:
		t.Fatal("the second client got a place that the first one has")
	default:
	}
	first.Close()
	first.Close() // as a server may; it frees no second place
	second := <-accepted
	if n := len(l.places); n != 1 {
		t.Errorf("%d places are taken by one client", n)
	}
	refused := make(chan error)
	go func() { _, err := l.Accept(); refused <- err }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-refused; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	second.Close()
}

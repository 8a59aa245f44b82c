package delivery

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/proxy"
)

// socksClient is what the library's dialer can do with a connection that exists. The one that it would make itself
// hides the socket, in which the pool looks for what a receiver says unasked.
type socksClient interface {
	DialWithConn(ctx context.Context, conn net.Conn, network, address string) (net.Addr, error)
}

func (p *Proxy) dialSOCKS(ctx context.Context, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if p.user != nil {
		password, _ := p.user.Password()
		auth = &proxy.Auth{User: p.user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", p.address, auth, nil)
	if err != nil {
		return nil, err
	}
	conn, err := p.reach(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := dialer.(socksClient).DialWithConn(ctx, conn, "tcp", address); err != nil {
		conn.Close()
		return nil, socksFailure(err)
	}
	return conn, nil
}

// socksCredentials are the client's words, which it has no types for, where the proxy wants another user or password.
var socksCredentials = []string{"no acceptable authentication methods", "username/password authentication failed"}

// socksFailure tells what a SOCKS proxy answered. The client's own words are fixed ones, but for what
// it passes on from the network, which names addresses of ours.
func socksFailure(err error) error {
	if ranOut(err) {
		return context.DeadlineExceeded
	}
	outer, ok := errors.AsType[*net.OpError](err)
	if !ok || isNetwork(outer.Err) {
		return &failure{inRequest + "the proxy closed the connection"}
	}
	if text := outer.Err.Error(); slices.Contains(socksCredentials, text) {
		return &trouble{cause: noProxy, err: outer.Err}
	}
	return &failure{inRequest + "the proxy refused to connect: " + strings.TrimPrefix(outer.Err.Error(), "unknown error ")}
}

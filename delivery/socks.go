package delivery

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/proxy"
)

// socksClient is the part of the library's dialer that uses an existing connection. A connection that the dialer made
// itself would hide the socket, which the pool checks for unsolicited data.
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

// socksCredentials are the texts of the client's errors for a wrong user or password. The client has no types for
// them.
var socksCredentials = []string{"no acceptable authentication methods", "username/password authentication failed"}

// socksFailure returns the failure for a SOCKS proxy's answer. The client's own error texts are fixed, but it also
// passes on network errors, which contain addresses of ours.
func socksFailure(err error) error {
	if ranOut(err) {
		return context.DeadlineExceeded
	}
	outer, ok := errors.AsType[*net.OpError](err)
	if !ok || isNetwork(outer.Err) {
		return &failure{classProxy, inRequest + "the proxy closed the connection"}
	}
	if text := outer.Err.Error(); slices.Contains(socksCredentials, text) {
		return &trouble{cause: noProxy, err: outer.Err}
	}
	return &failure{classProxy, inRequest + "the proxy refused to connect: " + strings.TrimPrefix(outer.Err.Error(), "unknown error ")}
}

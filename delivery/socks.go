package delivery

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/proxy"
)

// socksForward is what the SOCKS client reaches its proxy with.
type socksForward struct{ *Proxy }

func (f socksForward) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return f.reach(ctx)
}

// Dial is asked for by the client's types, and never called.
func (f socksForward) Dial(_, _ string) (net.Conn, error) { return f.reach(context.Background()) }

func (p *Proxy) dialSOCKS(ctx context.Context, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if p.user != nil {
		password, _ := p.user.Password()
		auth = &proxy.Auth{User: p.user.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", p.address, auth, socksForward{p})
	if err != nil {
		return nil, err
	}
	conn, err := dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, socksFailure(err)
	}
	return conn, nil
}

// socksCredentials are the client's words, which it has no types for, where the proxy wants another user or password.
var socksCredentials = []string{"no acceptable authentication methods", "username/password authentication failed"}

// socksFailure tells what a SOCKS proxy answered. The client's own words are fixed ones, but for what
// it passes on from the network, which names addresses of ours.
func socksFailure(err error) error {
	if t, ok := errors.AsType[*trouble](err); ok {
		return t
	}
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

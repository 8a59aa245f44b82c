package delivery

import (
	"context"
	"net"
	"net/netip"
)

// egress makes the connections that webhooks leave by. It resolves names itself and connects to the
// addresses that it has looked at, or has a proxy connect to them: that a name resolves differently
// a moment later gains nothing.
type egress struct {
	guard    guard
	resolver *net.Resolver // nil: the system's
	proxy    *Proxy        // nil: none
	dialer   *net.Dialer
}

func newEgress(c Config) *egress {
	g := guard{allow: c.AllowSubnets}
	return &egress{guard: g, resolver: c.resolver, proxy: c.Proxy, dialer: &net.Dialer{Control: g.control}}
}

// addressesMax bounds how many of a name's addresses are tried. A name may have thousands, and its
// owner would have us knock at all of them.
const addressesMax = 8

// dial is http.Transport's DialContext. The transport lets a connection outlive the attempt it was
// begun for, so its deadline does not come with ctx.
func (e *egress) dial(ctx context.Context, _, address string) (net.Conn, error) {
	trip := tripOf(ctx)
	ctx, cancel := context.WithDeadline(ctx, trip.deadline)
	defer cancel()
	conn, err := e.connect(ctx, trip, address)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // whatever fails then fails for that
	}
	return conn, err
}

func (e *egress) connect(ctx context.Context, trip *trip, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !e.proxy.takes(address) {
		targets, err := e.targets(ctx, trip, host, port, false)
		if err != nil {
			return nil, err
		}
		trip.reach(connecting)
		return dialAny(ctx, targets, e.direct)
	}
	targets, err := e.targets(ctx, trip, host, port, e.proxy.resolves)
	if err != nil {
		return nil, err
	}
	trip.reach(proxying)
	return dialAny(ctx, targets, e.proxy.dial)
}

func (e *egress) direct(ctx context.Context, address string) (net.Conn, error) {
	conn, err := e.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, connectFailure(err)
	}
	return conn, nil
}

// targets are what to connect to for a host. Names are left to others only if asked; addresses never.
func (e *egress) targets(ctx context.Context, trip *trip, host, port string, leaveNames bool) ([]string, error) {
	if literal, err := netip.ParseAddr(host); err == nil {
		return e.permitted([]netip.Addr{literal}, port)
	}
	if isNumber(host) {
		return nil, errBlocked
	}
	if leaveNames {
		return []string{net.JoinHostPort(host, port)}, nil
	}
	trip.reach(resolving)
	addresses, err := e.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, resolveFailure(err)
	}
	return e.permitted(addresses, port)
}

// permitted leaves out what is forbidden; an error if nothing is left.
func (e *egress) permitted(addresses []netip.Addr, port string) ([]string, error) {
	var list []string
	for _, a := range addresses {
		if e.guard.permits(a) && len(list) < addressesMax {
			list = append(list, net.JoinHostPort(a.Unmap().String(), port))
		}
	}
	if len(list) == 0 {
		return nil, errBlocked
	}
	return list, nil
}

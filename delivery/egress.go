package delivery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// egress makes outgoing connections for webhooks. It resolves names itself and connects, directly or through a proxy,
// to the addresses that it has checked, so that an attacker gains nothing if a name resolves differently a moment
// later.
type egress struct {
	guard    guard
	names    *names
	proxy    *Proxy // nil if there is none
	dialer   *net.Dialer
	reached6 atomic.Bool // an IPv6 address was reached, so this machine has IPv6
}

func newEgress(c Config, clock func() time.Time) *egress {
	g := guard{allow: c.AllowSubnets}
	return &egress{
		guard: g, names: newNames(clock, c.resolver), proxy: c.Proxy, dialer: &net.Dialer{Control: g.control},
	}
}

// addressesMax limits how many of a name's addresses are tried. A name may have thousands, and its owner could make
// us connect to all of them.
const addressesMax = 8

// dial connects to a host and port, before ctx ends.
func (e *egress) dial(ctx context.Context, address string) (net.Conn, error) {
	trip := tripOf(ctx)
	conn, err := e.connect(ctx, trip, address)
	if err == nil || isTrouble(err) || ctx.Err() == nil {
		return conn, err
	}
	if trip.stage() == proxying && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, &trouble{cause: noProxy, err: ctx.Err()}
	}
	return nil, ctx.Err() // the cause of any failure after ctx has ended
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
		return nil, e.connectFailure(err, address)
	}
	if is6(address) {
		e.reached6.Store(true)
	}
	return conn, nil
}

// connectFailure returns what is wrong with an endpoint's address, or with this machine. A machine without IPv6 has
// no source address for connecting to an IPv6 address, and the error looks as if it had run out of ports.
func (e *egress) connectFailure(err error, address string) error {
	if t := troubleOf(err); t != nil && !ranOut(err) && (t.cause != noPorts || !is6(address) || e.reached6.Load()) {
		return t
	}
	return connectFailure(err)
}

func is6(address string) bool { return strings.HasPrefix(address, "[") }

// targets returns the addresses to connect to for a host. If leaveNames is set, it returns names unresolved, for the
// proxy to resolve; literal addresses are always checked.
func (e *egress) targets(ctx context.Context, trip *trip, host, port string, leaveNames bool) ([]string, error) {
	if literal, err := netip.ParseAddr(host); err == nil {
		list := e.permitted([]netip.Addr{literal}, port)
		if list == nil {
			return nil, blockedAddress(literal)
		}
		return list, nil
	}
	if isNumber(host) {
		return nil, blockedSpelling(host)
	}
	if leaveNames {
		return []string{net.JoinHostPort(host, port)}, nil
	}
	trip.reach(resolving)
	addresses, err := e.names.lookUp(ctx, host)
	if isTrouble(err) {
		return nil, err
	}
	if err != nil {
		return nil, resolveFailure(err)
	}
	list := e.permitted(addresses, port)
	if list == nil {
		return nil, blockedName(host)
	}
	return list, nil
}

// permitted returns the addresses that may be reached, with the port, or nil if there are none.
func (e *egress) permitted(addresses []netip.Addr, port string) []string {
	var list []string
	for _, a := range addresses {
		if e.guard.permits(a) && len(list) < addressesMax {
			list = append(list, net.JoinHostPort(a.Unmap().String(), port))
		}
	}
	return list
}

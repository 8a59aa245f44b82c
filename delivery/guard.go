package delivery

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// errBlocked is what an attempt at a special address ends with.
var errBlocked = errors.New("requests to this IP range are blocked (see the server configuration)")

// guard keeps deliveries away from addresses that are nobody's public ones. An endpoint's address
// comes from a customer, who could otherwise make us call our own network.
type guard struct{ allow []netip.Prefix }

// special are the ranges the registries of IANA call not globally reachable, with those that carry an
// IPv4 address inside an IPv6 one.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carriers' own
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, where clouds keep their metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"::/96",           // unspecified, loopback, IPv4-compatible
	"64:ff9b::/96",    // NAT64
	"64:ff9b:1::/48",  // NAT64, local
	"100::/64",        // discard
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
	"5f00::/16",       // segment routing
	"fc00::/7",        // private
	"fe80::/10",       // link-local
	"fec0::/10",       // site-local
	"ff00::/8",        // multicast
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParsePrefix(s)
	}
	return list
}

// control runs between the resolution of a name and the connection, once for each address that is
// tried: what it sees is what is dialled, so a name that resolves differently a moment later gains
// nothing.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g.permits(to.Addr()) {
		return errBlocked
	}
	return nil
}

// permits reports whether an address may be reached. An IPv4 address inside an IPv6 one is the IPv4
// address.
func (g guard) permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	contains := func(p netip.Prefix) bool { return p.Contains(a) }
	return slices.ContainsFunc(g.allow, contains) || !slices.ContainsFunc(special, contains)
}

package delivery

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

const (
	notAllowed = "address not allowed: "
	allowIt    = "; the operator can allow it: POSTRIDER_ALLOW_SUBNETS"
)

// errBlocked is the error of an attempt to reach a special address, if no blockedError has more detail.
var errBlocked = errors.New(notAllowed + "the host has no public address" + allowIt)

// A blockedError says why nothing is sent to a host. It shows an address from the endpoint's URL but never the
// addresses that a name resolves to: an endpoint's owner could use us to look up names of our own network.
type blockedError struct{ text string }

func (e *blockedError) Error() string { return notAllowed + e.text }

func (e *blockedError) Unwrap() error { return errBlocked }

func blockedAddress(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	kind := "reserved"
	switch {
	case a.IsPrivate():
		kind = "private"
	case a.IsLoopback():
		kind = "loopback"
	case a.IsLinkLocalUnicast():
		kind = "link-local"
	}
	return &blockedError{a.String() + " is a " + kind + " address" + allowIt}
}

func blockedName(host string) error {
	return &blockedError{host + " resolves to no public address" + allowIt}
}

func blockedSpelling(host string) error {
	return &blockedError{host + " is neither a name nor an address as it should be written, such as 192.0.2.1"}
}

// guard keeps deliveries away from addresses that are not public. An endpoint's address comes from a customer, who
// could otherwise make us call our own network.
type guard struct{ allow []netip.Prefix }

// special lists the ranges that the IANA registries call not globally reachable. In IPv6 only 2000::/3 is allocated
// for global use, so everything outside it is special, in use or not. The ranges that embed IPv4 addresses are
// special as a whole, because we do not know which host will unpack them.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carrier-grade NAT
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
	"::/3",            // loopback, several forms of embedded IPv4, NAT64, discard
	"2001::/23",       // protocol assignments, including Teredo
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
	"4000::/2",        // segment routing
	"8000::/1",        // private, link-local, site-local, multicast
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParsePrefix(s)
	}
	return list
}

// control checks an address again after the socket was created and before it is connected. The address was checked
// earlier; this check sees what the kernel is given, whatever code comes between the two.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g.permits(to.Addr()) {
		return errBlocked
	}
	return nil
}

// permits reports whether an address may be reached. An IPv4-mapped IPv6 address is treated as the IPv4 address.
func (g guard) permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	contains := func(p netip.Prefix) bool { return p.Contains(a) }
	return slices.ContainsFunc(g.allow, contains) || !slices.ContainsFunc(special, contains)
}

// isNumber reports whether a host is an address in a legacy spelling (2130706433, 0x7f.1, 127.0.0.1.) and not a name.
// Some resolvers and proxies accept these as IPv4 addresses. No top-level domain is a number, so refusing them
// refuses no valid name.
func isNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") || strings.HasPrefix(last, "0X") {
		return true
	}
	return last != "" && strings.Trim(last, "0123456789") == "" // of any length: some parsers truncate long numbers
}

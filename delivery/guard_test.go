package delivery

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestSpecialAddressesAreNotPermitted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "93.184.216.34": true, "172.32.0.1": true, "100.128.0.1": true,
		"2606:4700::1111": true, "2a00:1450::1": true,
		"0.0.0.0": false, "10.1.2.3": false, "100.64.0.1": false, "127.0.0.1": false, "127.255.255.254": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.8": false, "192.0.2.1": false,
		"192.88.99.1": false, "192.168.1.1": false, "198.18.0.1": false, "198.51.100.7": false, "203.0.113.7": false,
		"224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::127.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:db8::1": false,
		"2002:7f00:1::": false, "3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false,
		"fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false,
		"::ffff:8.8.8.8": true,
	} {
		if got := (guard{}).permits(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: permitted %v, want %v", text, got, want)
		}
	}
}

func TestAllowedSubnetsArePermitted(t *testing.T) {
	t.Parallel()
	g := guard{allow: prefixes("10.1.0.0/16", "::1/128")}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "::1": true, "10.2.0.1": false, "127.0.0.1": false,
	} {
		if got := g.permits(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: permitted %v, want %v", text, got, want)
		}
	}
}

func TestBlockedAttemptsSayWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.AllowSubnets = nil
	_, config.resolver = newNameServer(t, zone{"db.example.": {addresses("10.9.8.7")}}, time.Minute)
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	const allow = "; the operator can allow it: POSTRIDER_ALLOW_SUBNETS"
	for host, want := range map[string]string{
		"10.1.2.3":           "10.1.2.3 is a private address" + allow,
		"[fd00::1]":          "fd00::1 is a private address" + allow,
		"[::ffff:127.0.0.1]": "127.0.0.1 is a loopback address" + allow,
		"169.254.169.254":    "169.254.169.254 is a link-local address" + allow,
		"203.0.113.7":        "203.0.113.7 is a reserved address" + allow,
		"db.example":         "db.example resolves to no public address" + allow,
		"2130706433":         "2130706433 is neither a name nor an address as it should be written, such as 192.0.2.1",
	} {
		if got := s.send(t.Context(), testDelivery("http://"+host+"/")).Response; got != "address not allowed: "+want {
			t.Errorf("%s: %s\nwant %s", host, got, want)
		}
	}
}

func TestAddressesOfOldSpellingsAreNoNames(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"2130706433": true, "0x7f000001": true, "0X7f.1": true, "0177.0.0.1": true, "127.1": true, "127.0.0.1.": true,
		"0": true, "18446744073709551617": true, "4294967297.": true, "10.0.0.256": true, "example.0x1": true,
		"example.com": false, "1.example.com.": false, "4u": false, "0xide.example": false, "xn--p1ai": false, "": false, ".": false,
	} {
		if got := isNumber(host); got != want {
			t.Errorf("%q is a number: %v, want %v", host, got, want)
		}
	}
}

// FuzzHost checks hosts as if the proxy resolved names. A host that is passed on must not be a special address, in
// any spelling that netip reads or that net's parser once accepted.
func FuzzHost(f *testing.F) {
	for _, host := range []string{
		"127.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1%eth0", "64:ff9b::7f00:1", "2130706433", "0x7f.1", "127.0.0.1.",
		"99999999999999999999", "example.com", "example.com.", "8.8.8.8",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		targets, err := (&egress{}).targets(t.Context(), &trip{}, host, "80", true)
		if err != nil {
			return
		}
		to, _, err := net.SplitHostPort(targets[0])
		if err != nil {
			return // nobody can connect to that
		}
		if a, err := netip.ParseAddr(to); err == nil {
			if !(guard{}).permits(a) {
				t.Errorf("%q is connected to as %q", host, targets[0])
			}
			return
		}
		labels := strings.Split(strings.TrimSuffix(host, "."), ".")
		if last := labels[len(labels)-1]; last != "" && strings.Trim(last, "0123456789") == "" {
			t.Errorf("%q is passed on as a name", host)
		}
	})
}

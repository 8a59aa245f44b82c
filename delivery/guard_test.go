package delivery

import (
	"net/netip"
	"testing"
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

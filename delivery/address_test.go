package delivery

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/core"
)

// specialHosts lists addresses that must not be reached, in all spellings. %s is a port.
var specialHosts = map[string]string{
	"IPv4":                         "http://127.0.0.1:%s/",
	"another of loopback":          "http://127.255.255.254:%s/",
	"this network":                 "http://0.0.0.0:%s/",
	"private 10":                   "http://10.1.2.3:%s/",
	"private 172":                  "http://172.31.255.255:%s/",
	"private 192":                  "http://192.168.1.1:%s/",
	"carriers' own":                "http://100.64.0.1:%s/",
	"metadata":                     "http://169.254.169.254:%s/latest/meta-data/",
	"metadata by IPv6":             "http://[fd00:ec2::254]:%s/",
	"multicast":                    "http://224.0.0.1:%s/",
	"broadcast":                    "http://255.255.255.255:%s/",
	"by https":                     "https://127.0.0.1:%s/",
	"IPv6":                         "http://[::1]:%s/",
	"IPv6, unspecified":            "http://[::]:%s/",
	"IPv6, long":                   "http://[0:0:0:0:0:0:0:1]:%s/",
	"IPv4-mapped, dotted":          "http://[::ffff:127.0.0.1]:%s/",
	"IPv4-mapped, hex":             "http://[::ffff:7f00:1]:%s/",
	"IPv4-mapped, long":            "http://[0:0:0:0:0:ffff:7f00:0001]:%s/",
	"IPv4-mapped, unspecified":     "http://[::ffff:0.0.0.0]:%s/",
	"IPv4-mapped with a zone":      "http://[::ffff:127.0.0.1%%25lo]:%s/",
	"IPv4-compatible":              "http://[::127.0.0.1]:%s/",
	"IPv4-translated":              "http://[::ffff:0:127.0.0.1]:%s/",
	"NAT64 of a private address":   "http://[64:ff9b::10.0.0.1]:%s/",
	"NAT64 of a public address":    "http://[64:ff9b::808:808]:%s/",
	"local NAT64":                  "http://[64:ff9b:1::7f00:1]:%s/",
	"6to4 of a private address":    "http://[2002:7f00:1::]:%s/",
	"6to4 of a public address":     "http://[2002:808:808::1]:%s/",
	"Teredo":                       "http://[2001:0:808:808::1]:%s/",
	"unique local":                 "http://[fc00::1]:%s/",
	"link-local":                   "http://[fe80::1]:%s/",
	"link-local with a zone":       "http://[fe80::1%%25eth0]:%s/",
	"loopback with a zone":         "http://[::1%%25lo]:%s/",
	"decimal":                      "http://2130706433:%s/",
	"octal":                        "http://0177.0.0.1:%s/",
	"octal, whole":                 "http://017700000001:%s/",
	"hex":                          "http://0x7f000001:%s/",
	"hex, upper case":              "http://0X7F000001:%s/",
	"hex, in part":                 "http://0x7f.1:%s/",
	"hex at the end":               "http://127.0.0.0x1:%s/",
	"short":                        "http://127.1:%s/",
	"zero":                         "http://0:%s/",
	"leading zeros":                "http://127.000.000.001:%s/",
	"trailing dot":                 "http://127.0.0.1.:%s/",
	"trailing dot, short":          "http://127.1.:%s/",
	"full-width digits":            "http://１２７.0.0.1:%s/",
	"ideographic dots":             "http://127。0。0。1:%s/",
	"enclosed digits":              "http://①②⑦.⓪.⓪.①:%s/",
	"userinfo":                     "http://good@127.0.0.1:%s/",
	"userinfo with a host in it":   "http://good.example:80@127.0.0.1:%s/",
	"userinfo and a fragment":      "http://good.example%%23@127.0.0.1:%s/",
	"a host in the path and query": "http://127.0.0.1:%s/@good.example?http://good.example/",
}

// specialNames lists names that resolve to such addresses.
var specialNames = map[string]string{
	"loopback": "127.0.0.1", "unspecified": "0.0.0.0", "private": "192.168.1.1", "metadata": "169.254.169.254",
	"loopback6": "::1", "unspecified6": "::", "mapped": "::ffff:127.0.0.1", "compatible": "::7f00:1",
	"nat64": "64:ff9b::7f00:1", "6to4": "2002:7f00:1::", "teredo": "2001:0:808:808::1", "local6": "fd00::1", "link6": "fe80::1",
}

func specialZone() zone {
	z := zone{"localhost.": {addresses("127.0.0.1")}}
	for name, address := range specialNames {
		z[name+".example."] = [][]netip.Addr{addresses(address)}
	}
	return z
}

func TestNothingSpecialIsReached(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxy string // its scheme
		names bool   // names are resolved by the proxy
	}{
		"directly": {}, "by an HTTP proxy": {"http", false}, "by a SOCKS proxy": {"socks5", false},
		"by an HTTP proxy that resolves": {"http", true}, "by a SOCKS proxy that resolves": {"socks5h", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, config := newWitness(t), testConfig()
			config.AllowSubnets = nil
			_, config.resolver = newNameServer(t, specialZone(), 10*time.Second)
			if c.proxy != "" {
				config.Proxy = mustProxy(t, ProxyConfig{URL: c.proxy + "://" + w.address(), Resolves: c.names})
			}
			blocked := newBlocked(t, config, w)
			for row, pattern := range specialHosts {
				blocked(row, fmt.Sprintf(pattern, w.port))
			}
			// A proxy is never asked for such an address, so its case must not matter either.
			blocked("localhost", "http://localhost:"+w.port)
			if c.names {
				return // we do not know what the names resolve to
			}
			blocked("localhost, upper case", "http://LOCALHOST:"+w.port)
			blocked("localhost with a dot", "http://localhost.:"+w.port)
			for row := range specialNames {
				blocked("name: "+row, "http://"+row+".example:"+w.port)
				blocked("name with a dot: "+row, "https://"+row+".example.:"+w.port)
			}
		})
	}
}

// newBlocked returns a function that checks that an attempt is refused and that nothing was asked to connect.
func newBlocked(t *testing.T, config Config, w *witness) func(row, url string) {
	t.Helper()
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	return func(row, url string) {
		t.Helper()
		attempt := s.send(t.Context(), testDelivery(url))
		if !strings.HasPrefix(attempt.Response, notAllowed) || attempt.Status != core.StatusFail {
			t.Errorf("%s, %s: %q", row, url, attempt.Response)
		}
		if n := w.connections(t); n != 0 {
			t.Errorf("%s, %s: %d connections", row, url, n)
		}
	}
}

func mustProxy(t *testing.T, c ProxyConfig) *Proxy {
	t.Helper()
	p, err := NewProxy(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// only returns a configuration in which one address is allowed.
func only(address string) Config {
	config := testConfig()
	a := netip.MustParseAddr(address)
	config.AllowSubnets = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	return config
}

func port(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestOfANamesAddressesOnlyTheGoodOnesAreTried(t *testing.T) {
	t.Parallel()
	if !has6() {
		t.Skip("there is no IPv6 on loopback")
	}
	w := newWitness(t)
	// The witness listens on both loopback addresses. Only the second one, 127.0.0.1, is allowed.
	config := only("127.0.0.1")
	_, config.resolver = newNameServer(t, zone{"mixed.example.": {addresses("::1", "10.0.0.1", "127.0.0.1")}}, 10*time.Second)
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	w.listeners[0].Close()
	attempt := s.send(t.Context(), testDelivery("http://mixed.example:"+w.port))
	w.listeners = w.listeners[1:]
	if n := w.connections(t); n != 0 || attempt.Response != "error making request: connection refused" {
		t.Errorf("%d connections, %q", n, attempt.Response)
	}
	receiver := httptest.NewServer(whole(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	attempt = s.send(t.Context(), testDelivery("http://mixed.example:"+port(t, receiver)))
	if attempt.Status != core.StatusSuccess {
		t.Errorf("the good one was not reached: %+v", attempt)
	}
}

func TestAConnectionGoesToTheAddressThatWasChecked(t *testing.T) {
	t.Parallel()
	requests := 0
	receiver := httptest.NewServer(whole(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Connection", "close")
	}))
	t.Cleanup(receiver.Close)
	config := only("127.0.0.1")
	server, resolver := newNameServer(t, zone{"rebound.example.": {addresses("127.0.0.1"), addresses("127.0.0.2")}}, 10*time.Second)
	config.resolver = resolver
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	d := testDelivery("http://rebound.example:" + port(t, receiver))
	attempt := s.send(t.Context(), d)
	if attempt.Status != core.StatusSuccess || requests != 1 || server.asked("rebound.example.") != 1 {
		t.Errorf("%+v, %d requests, %d look-ups", attempt, requests, server.asked("rebound.example."))
	}
	attempt = s.send(t.Context(), d)
	if !strings.HasPrefix(attempt.Response, notAllowed) || requests != 1 {
		t.Errorf("after it was rebound: %+v, %d requests", attempt, requests)
	}
}

func TestRedirectsToSpecialAddressesAreNotFollowed(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, host := range []string{"127.0.0.1", "[::1]", "localhost", "2130706433"} {
			attempt := receive(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Location", "http://"+host+":"+w.port)
				rw.WriteHeader(status)
			}, nil) // loopback is allowed here, and that must not matter
			if n := w.connections(t); n != 0 || int(attempt.ResponseStatusCode) != status {
				t.Errorf("%d to %s: %d connections, %+v", status, host, n, attempt)
			}
		}
	}
}

func TestANameWithManyAddressesIsNotTriedAtAllOfThem(t *testing.T) {
	t.Parallel()
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}))
	}
	e := newEgress(testConfig(), time.Now)
	if list := e.permitted(many, "80"); len(list) != addressesMax {
		t.Errorf("%d addresses", len(list))
	}
}

// TestNoAddressOfASpecialRangeIsPermitted checks random addresses from each range.
func TestNoAddressOfASpecialRangeIsPermitted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(special).Draw(t, "range")
		a := inside(p, rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		if !p.Contains(a) {
			t.Fatalf("%s is not in %s", a, p)
		}
		ways := []netip.Addr{a}
		if a.Is4() {
			ways = append(ways, netip.AddrFrom16(a.As16())) // mapped
		} else if !a.Is4In6() {
			ways = append(ways, a.WithZone("eth0"))
		}
		for _, way := range ways {
			host := way.String()
			_, err := newEgress(Config{}, time.Now).targets(t.Context(), &trip{}, host, "80", rapid.Bool().Draw(t, "leave names"))
			if way.Unmap().Is4() == a.Is4() && !errors.Is(err, errBlocked) {
				t.Fatalf("%s of %s: %v", host, p, err)
			}
			if a.Is4() && !errors.Is((guard{}).control("tcp", net.JoinHostPort(host, "80"), nil), errBlocked) {
				t.Fatalf("%s of %s passes the last look", host, p)
			}
		}
	})
}

// inside returns the address that consists of a prefix and the given other bits.
func inside(p netip.Prefix, bits []byte) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < p.Addr().BitLen(); i++ {
		b[i/8] |= bits[i/8] & (1 << (7 - i%8))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

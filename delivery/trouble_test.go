package delivery

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestTroubleIsWhatTheKernelLacks(t *testing.T) {
	t.Parallel()
	e := newEgress(testConfig(), time.Now)
	for errno, want := range map[syscall.Errno]string{
		syscall.EMFILE: noDescriptors, syscall.ENFILE: noDescriptors, syscall.ENOMEM: noMemory, syscall.ENOBUFS: noMemory,
		syscall.EADDRNOTAVAIL: noPorts, syscall.EAGAIN: noPorts, syscall.ENETDOWN: noNetwork,
	} {
		err := e.connectFailure(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)}, "192.0.2.1:80")
		got, ok := errors.AsType[*trouble](err)
		if !ok || got.cause != want || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	e.reached6.Store(true)
	if err := e.connectFailure(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL), "[2001:db8::1]:80"); !isTrouble(err) {
		t.Errorf("with IPv6: %v", err)
	}
}

// One address may be refused while no descriptor is left for another.
func TestTroubleWithOneAddressIsTrouble(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"refused", "trouble"}, {"trouble", "refused"}} {
		_, err := dialAny(t.Context(), order, func(_ context.Context, address string) (net.Conn, error) {
			if address == "trouble" {
				return nil, troubleOf(syscall.EMFILE)
			}
			return nil, &failure{classRefused, "refused"}
		})
		if !isTrouble(err) {
			t.Errorf("%q: %v", order, err)
		}
	}
}

func TestResolverThatFailsForEveryNameIsTrouble(t *testing.T) {
	t.Parallel()
	hooks := addresses("127.0.0.1")
	for name, c := range map[string]struct {
		zone    zone
		host    string
		before  string // name looked up before
		trouble bool
	}{
		"fails for one name":                          {zone{}, "failed.example", "", false},
		"is silent for one name":                      {zone{}, "silent.example", "", false},
		"fails for every name":                        {zone{everyName: {nil}}, "any.example", "", true},
		"is silent, and fails for the others":         {zone{everyName: {nil}}, "silent.example", "", true},
		"fails for one name, and for the root":        {zone{everyName: {nil}, "hooks.example.": {hooks}}, "failed.example", "hooks.example", false},
		"fails for every name, but answered long ago": {zone{everyName: {nil}}, "any.example", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, resolver := newNameServer(t, c.zone, 100*time.Millisecond)
			n := newNames(time.Now, resolver)
			if c.before != "" {
				if _, err := n.lookUp(t.Context(), c.before); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Contains(name, "long ago") {
				n.note("gone.example", true)
			}
			if _, err := n.lookUp(t.Context(), c.host); err == nil || isTrouble(err) != c.trouble {
				t.Errorf("%v", err)
			}
		})
	}
}

// Without a socket for one of its queries, the resolver reports that there is no such host.
func TestResolverWithoutSocketsIsTrouble(t *testing.T) {
	t.Parallel()
	_, resolver := newNameServer(t, zone{"six.example.": {addresses("::1")}}, time.Second)
	for _, left := range []int32{0, 1} {
		dial := resolver.Dial
		var sockets atomic.Int32
		n := newNames(time.Now, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if sockets.Add(1) > left {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
			return dial(ctx, network, address)
		}})
		_, err := n.lookUp(t.Context(), "nobody.example")
		if got, ok := errors.AsType[*trouble](err); !ok || got.cause != noDescriptors {
			t.Errorf("with %d sockets: %v", left, err)
		}
	}
}

func TestResolverIsProbedOnceForAllThatWait(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := &names{clock: func() time.Time { return now }, failedAt: now.Add(time.Millisecond)}
	n.resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("probed again")
		return nil, errors.New("no")
	}}
	if n.works(t.Context(), now) {
		t.Error("it works")
	}
}

// Such an attempt is not recorded, uses no retry and is not counted.
func TestTroublePostponesDeliveries(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	clock.at.Store(time.Now().UnixNano())
	var log bytes.Buffer
	q := newQueue()
	config := proxied(t, nil, ProxyConfig{URL: "http://" + closedAddress})
	w := New(config, q, clock.now, slog.New(slog.NewTextHandler(&log, nil)))
	d := testDelivery("http://hooks.example:8080")
	d.LeasedUntil = clock.now().Add(time.Hour)
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
		for range 3 {
			w.attempt(t.Context(), &queued{Delivery: d}, func() {})
		}
		for _, p := range q.postponed {
			if after := p.until.Sub(clock.now()); after < wait || after > wait+wait/2 {
				t.Errorf("postponed by %s, want %s and up to half of that", after, wait)
			}
		}
		if len(q.postponed) != 3 || len(q.results) != 0 {
			t.Errorf("%d given back, %d recorded", len(q.postponed), len(q.results))
		}
		q.postponed = nil
		if room := w.Reserve(clock.now()); room.Total != 0 {
			t.Error("fresh deliveries are taken")
		}
		if w.claim(t.Context()); len(q.claims) != 0 {
			t.Error("deliveries are claimed")
		}
		clock.advance(wait)
		if room := w.Reserve(clock.now()); room.Total == 0 {
			t.Error("fresh deliveries are not taken any more")
		} else {
			w.Dispatch(room, nil)
		}
	}
	// 61 s passed before the last attempt, so there is a line at once, after 31 s and after 61 s.
	if n := strings.Count(log.String(), "level=ERROR"); n != 3 || !strings.Contains(log.String(), noProxy) {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	clock.advance(29 * time.Second)
	if w.troubles.settle(); strings.Contains(log.String(), "attempts resumed") {
		t.Error("the trouble is over before what was postponed has been tried")
	}
	clock.advance(time.Second)
	w.troubles.settle()
	w.troubles.settle()
	if n := strings.Count(log.String(), "attempts resumed"); n != 1 || !strings.Contains(log.String(), "postponed=21") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

// The bytes of an endpoint that greets its clients, such as one on an SSH port, arrive with the proxy's answer.
func TestEndpointThatSpeaksFirstPausesNoOthers(t *testing.T) {
	t.Parallel()
	q := newQueue()
	config := proxied(t, nil, ProxyConfig{URL: "http://" + serveRaw(t, says("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x\r\n"))})
	w := New(config, q, time.Now, slog.New(slog.DiscardHandler))
	d := testDelivery("http://hooks.example:22")
	d.LeasedUntil = time.Now().Add(time.Hour)
	w.attempt(t.Context(), &queued{Delivery: d}, func() {})
	if len(q.results) != 1 || len(q.postponed) != 0 || w.troubles.pausing(time.Now()) {
		t.Errorf("%d recorded, %d postponed", len(q.results), len(q.postponed))
	}
}

// Only that destination can use up the local ports for it.
func TestTroubleWithOneDestinationPausesNoOthers(t *testing.T) {
	t.Parallel()
	w := New(testConfig(), newQueue(), time.Now, slog.New(slog.DiscardHandler))
	w.postpone(core.Delivery{}, w.troubles.postpone(troubleOf(syscall.EADDRNOTAVAIL)))
	if room := w.Reserve(time.Now()); room.Total == 0 {
		t.Error("fresh deliveries are not taken")
	}
}

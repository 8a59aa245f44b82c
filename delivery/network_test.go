package delivery

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// witness listens on loopback, counts connections, and closes them.
type witness struct {
	port      string
	listeners []net.Listener
	accepted  chan struct{}
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(first.Addr().String())
	w := &witness{port: port, listeners: []net.Listener{first}, accepted: make(chan struct{}, 1000)}
	if second, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		w.listeners = append(w.listeners, second)
	}
	var running sync.WaitGroup
	for _, l := range w.listeners {
		running.Go(func() { w.accept(l) })
	}
	t.Cleanup(func() {
		for _, l := range w.listeners {
			l.Close()
		}
		running.Wait()
	})
	return w
}

func (w *witness) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		w.accepted <- struct{}{}
		conn.Close()
	}
}

func (w *witness) address() string { return "127.0.0.1:" + w.port }

// connections returns the number of connections since the last call. It connects too: connections are accepted in
// order, so once its own are accepted, all earlier ones are.
func (w *witness) connections(t *testing.T) int {
	t.Helper()
	n := -len(w.listeners)
	for _, l := range w.listeners {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 1)) // until the connection was counted
		conn.Close()
	}
	for ; len(w.accepted) > 0; n++ {
		<-w.accepted
	}
	return n
}

// zone maps a name server's names to the answers of successive lookups. The last answer is repeated. A name without
// answers does not exist.
type zone map[string][][]netip.Addr

// Names that the name server treats specially.
const (
	silentName = "silent.example." // gets no answer
	failedName = "failed.example." // fails
	everyName  = "*."              // if a zone has it, all other names fail
)

func addresses(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParseAddr(s)
	}
	return list
}

// nameServer serves the names of a zone on a socket.
type nameServer struct {
	zone    zone
	mu      sync.Mutex
	lookups map[string]int
}

// newNameServer starts a name server, and returns it with a resolver that queries it with the timeout patience.
func newNameServer(t *testing.T, z zone, patience time.Duration) (*nameServer, *net.Resolver) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{zone: z, lookups: map[string]int{}}
	done := make(chan struct{})
	go func() { defer close(done); s.serve(conn) }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		asked, err := new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
		if err != nil {
			return nil, err
		}
		return patient{asked.(*net.UDPConn), patience}, nil
	}
	return s, &net.Resolver{PreferGo: true, Dial: dial}
}

// patient is a connection to a name server with a deadline set by the test.
type patient struct {
	*net.UDPConn
	patience time.Duration
}

func (p patient) SetDeadline(at time.Time) error {
	if own := time.Now().Add(p.patience); own.Before(at) {
		at = own
	}
	return p.UDPConn.SetDeadline(at)
}

func (s *nameServer) serve(conn *net.UDPConn) {
	for buffer := make([]byte, 4096); ; {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 || m.Questions[0].Name.String() == silentName {
			continue
		}
		s.answer(&m, m.Questions[0])
		if packed, err := m.Pack(); err == nil {
			_, _ = conn.WriteToUDPAddrPort(packed, from)
		}
	}
}

func (s *nameServer) answer(m *dnsmessage.Message, q dnsmessage.Question) {
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := q.Name.String()
	answers, exists := s.zone[name]
	switch {
	case name == failedName:
		m.RCode = dnsmessage.RCodeServerFailure
	case !exists && s.zone[everyName] != nil:
		m.RCode = dnsmessage.RCodeServerFailure
	case !exists:
		m.RCode = dnsmessage.RCodeNameError
	default:
		for _, a := range answers[s.turn(q, len(answers))] {
			if r, ok := resource(q, a); ok {
				m.Answers = append(m.Answers, r)
			}
		}
	}
}

// turn counts lookups by their queries for IPv4 addresses. Each lookup also asks for IPv6 addresses.
func (s *nameServer) turn(q dnsmessage.Question, turns int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.lookups[q.Name.String()]
	if q.Type == dnsmessage.TypeA {
		s.lookups[q.Name.String()]++
	}
	return min(n, turns-1)
}

func (s *nameServer) asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookups[name]
}

func resource(q dnsmessage.Question, a netip.Addr) (dnsmessage.Resource, bool) {
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}}
	switch {
	case q.Type == dnsmessage.TypeA && a.Is4():
		r.Body = &dnsmessage.AResource{A: a.As4()}
	case q.Type == dnsmessage.TypeAAAA && !a.Is4():
		r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
	}
	return r, r.Body != nil
}

// has6 reports whether this machine has IPv6 on loopback.
func has6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

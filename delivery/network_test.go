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

// witness listens on loopback, counts who connects, and hangs up.
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

// connections is how many connected since it was last asked. Connections are accepted in their order:
// once its own are, so are all others.
func (w *witness) connections(t *testing.T) int {
	t.Helper()
	n := -len(w.listeners)
	for _, l := range w.listeners {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 1)) // until it was counted
		conn.Close()
	}
	for ; len(w.accepted) > 0; n++ {
		<-w.accepted
	}
	return n
}

// zone is a name server's names. Each has the answers of one look-up after the other, of which the
// last one stays. Without any, the name does not exist.
type zone map[string][][]netip.Addr

// What the name server does to these.
const (
	silentName = "silent.example." // it does not answer
	failedName = "failed.example." // it fails
	everyName  = "*."              // in a zone: it fails for all other names
)

func addresses(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParseAddr(s)
	}
	return list
}

// nameServer answers on a socket for the names of a zone.
type nameServer struct {
	zone    zone
	mu      sync.Mutex
	lookups map[string]int
}

// newNameServer starts one, and a resolver that asks it and waits for so long.
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

// patient is a connection to a name server with a deadline of the test's.
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

// turn counts look-ups by their questions for IPv4 addresses; each also asks for the others.
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

// has6 tells whether this machine has IPv6 on loopback.
func has6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

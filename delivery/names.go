package delivery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// names resolves the host names of endpoints, and distinguishes a name that cannot be resolved from a resolver that
// does not answer.
type names struct {
	clock    func() time.Time
	resolver *net.Resolver

	mu         sync.Mutex
	answeredAt time.Time // when the resolver last answered, for any name
	answered   string    // a name that it returned addresses for
	failedAt   time.Time // when the last probe began that it did not answer

	probing sync.Mutex // one at a time
}

// probeTimeout is how long the resolver may take to answer a probe.
const probeTimeout = 2 * time.Second

// sockets records trouble that the resolver has with its sockets during one lookup. The resolver's errors contain
// such trouble only as text, and if it has no socket for one of its two queries, it may report that there is no such
// host.
type sockets struct {
	mu      sync.Mutex
	trouble *trouble
}

type socketsKey struct{}

// newNames returns names that uses the given resolver, or the system's if it is nil.
func newNames(clock func() time.Time, resolver *net.Resolver) *names {
	dial, watched := new(net.Dialer).DialContext, net.Resolver{}
	if resolver != nil {
		dial, watched.PreferGo = resolver.Dial, resolver.PreferGo
	}
	watched.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if s, ok := ctx.Value(socketsKey{}).(*sockets); ok && err != nil {
			s.note(troubleOf(err))
		}
		return conn, err
	}
	return &names{clock: clock, resolver: &watched}
}

func (s *sockets) note(t *trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t != nil {
		s.trouble = t
	}
}

func (s *sockets) met() *trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// lookUp resolves a name. The error is a trouble if the resolver has no socket or answers no queries at all.
func (n *names) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	began, own := n.clock(), &sockets{}
	addresses, err := n.resolver.LookupNetIP(context.WithValue(ctx, socketsKey{}, own), "ip", host)
	if err == nil {
		n.note(host, true)
		return addresses, nil
	}
	if t := own.met(); t != nil {
		return nil, t
	}
	if isNotFound(err) {
		n.note(host, false)
	} else if !errors.Is(ctx.Err(), context.Canceled) && !n.works(ctx, began) {
		return nil, &trouble{cause: noResolver, err: err}
	}
	return nil, err
}

func isNotFound(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}

func (n *names) note(host string, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answeredAt = n.clock()
	if found {
		n.answered = host
	}
}

// works reports whether the resolver has answered since a failed lookup began, or answers a probe now. The probe asks
// for the root, and then for a name that was resolved before: in a private network the resolver may not know the
// root.
func (n *names) works(ctx context.Context, since time.Time) bool {
	n.probing.Lock()
	defer n.probing.Unlock()
	n.mu.Lock()
	answeredAt, failedAt, host := n.answeredAt, n.failedAt, n.answered
	n.mu.Unlock()
	if answeredAt.After(since) || failedAt.After(since) {
		return answeredAt.After(failedAt)
	}
	began := n.clock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout) // the attempt's time may be over
	defer cancel()
	_, err := n.resolver.LookupNS(ctx, ".")
	if err != nil && !isNotFound(err) && host != "" {
		_, err = n.resolver.LookupNetIP(ctx, "ip", host)
	}
	works := err == nil || isNotFound(err)
	n.mu.Lock()
	defer n.mu.Unlock()
	if works {
		n.answeredAt = n.clock()
	} else {
		n.failedAt = began
	}
	return works
}

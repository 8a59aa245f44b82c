package delivery

import (
	"context"
	"net"
	"time"
)

// headStart is how long an address is tried before the next one is tried in parallel, so that a dead route (mostly
// IPv6) causes a short delay instead of a failed attempt. Go's own dialer uses the same value.
const headStart = 300 * time.Millisecond

type dialed struct {
	conn net.Conn
	err  error
}

// dialAny connects to the address that answers first. If none does, it returns the error of the first one that
// failed, or the trouble that kept an address from being tried.
func dialAny(ctx context.Context, addresses []string, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the dials that lost
	outcomes := make(chan dialed)
	begin := func() {
		address := addresses[0]
		addresses = addresses[1:]
		go func() {
			conn, err := dial(ctx, address)
			select {
			case outcomes <- dialed{conn, err}:
			case <-ctx.Done():
				closeIfAny(conn)
			}
		}()
	}
	begin()
	var first error
	for active := 1; active > 0; {
		var next <-chan time.Time
		if len(addresses) > 0 {
			next = time.After(headStart)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-next:
			active++
			begin()
		case o := <-outcomes:
			if o.err == nil {
				return o.conn, nil
			}
			if first == nil || isTrouble(o.err) {
				first = o.err
			}
			active--
			if len(addresses) > 0 {
				active++
				begin()
			}
		}
	}
	return nil, first
}

func closeIfAny(conn net.Conn) {
	if conn != nil {
		conn.Close()
	}
}

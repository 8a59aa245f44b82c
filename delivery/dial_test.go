package delivery

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestTheFirstAddressThatAnswersIsTaken(t *testing.T) {
	t.Parallel()
	refused, closed := errors.New("refused"), make(chan string, 10)
	for name, c := range map[string]struct {
		addresses []string
		want      string // empty for the first failure
	}{
		"one": {[]string{"good"}, "good"}, "behind a dead one": {[]string{"dead", "good"}, "good"},
		"behind one that refuses": {[]string{"refuses", "good"}, "good"}, "behind both": {[]string{"dead", "refuses", "dead", "good"}, "good"},
		"none": {[]string{"refuses", "refuses too"}, ""},
	} {
		conn, err := dialAny(t.Context(), c.addresses, func(ctx context.Context, address string) (net.Conn, error) {
			switch address {
			case "good":
				return named{name: address, closed: closed}, nil
			case "dead":
				<-ctx.Done()
				return named{name: address, closed: closed}, nil // it connects, but too late
			case "refuses":
				return nil, refused
			}
			return nil, errors.New("another")
		})
		if c.want == "" {
			if !errors.Is(err, refused) {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil || conn.(named).name != c.want {
			t.Errorf("%s: %v, %v", name, conn, err)
		}
	}
	for range 3 { // the connections that lost
		if name := <-closed; name != "dead" {
			t.Errorf("%s was closed", name)
		}
	}
}

type named struct {
	net.Conn
	name   string
	closed chan string
}

func (n named) Close() error { n.closed <- n.name; return nil }

func TestDialingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := dialAny(ctx, []string{"a", "b"}, func(ctx context.Context, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, errors.New("late")
	})
	if !errors.Is(err, context.DeadlineExceeded) && err.Error() != "late" {
		t.Error(err)
	}
}

func TestADialEndsWithTheTimeOfItsAttempt(t *testing.T) {
	t.Parallel()
	e := newEgress(proxied(t, nil, ProxyConfig{URL: "http://" + serveConns(t, untilClosed)}), time.Now)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ctx, _ = begin(ctx)
	conn, err := e.dial(ctx, "10.1.2.3:80")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", conn, err)
	}
}

package rig

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// customer is an application in the soak of faults_test.go, with its endpoints.
type customer struct {
	app       string
	endpoints []*destination
}

// destination is an endpoint whose receiver changes its behaviour and sits behind a bad network. It records what it
// accepted and complains about webhooks that should never arrive.
type destination struct {
	name    string
	id      string
	secret  string
	network Proxy
	ledger  *Ledger

	mu       sync.Mutex
	manners  manners
	taken    map[string]int // by message: answers of 2xx
	refused  int            // arrivals answered otherwise, or not at all
	complain func(format string, args ...any)
}

// followedPath is the target of redirects. No sender may follow them.
const followedPath = "/followed"

func newDestination(t testing.TB, l *Ledger, name string, c Client, app string) *destination {
	t.Helper()
	listener := Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	d := &destination{
		name: name, secret: NewSecret(), ledger: l, manners: good, taken: map[string]int{}, complain: t.Errorf,
		network: NewProxy(t, listener.Addr().String()),
	}
	serveHTTP(t, listener, &http.Server{Handler: d})
	in := svix.EndpointIn{Url: "http://" + d.network.Listen + "/", Secret: &d.secret}
	d.id = Must(c.Endpoint.Create(t.Context(), app, in, nil))(t).Id
	return d
}

func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off in transit
	}
	m, err := d.accept(r, body)
	if err != nil {
		d.complain("%s: %v\n%v\n%s", d.name, err, r.Header, body)
	}
	m.answer(w, r)
}

func (d *destination) accept(r *http.Request, body []byte) (manners, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := r.Header.Get("webhook-id")
	if d.manners.takes {
		d.taken[id]++
	} else {
		d.refused++
	}
	if r.URL.Path == followedPath {
		return d.manners, fmt.Errorf("%s: a redirect was followed", id)
	}
	if err := errors.Join(verifyWebhook(d.secret, r.Header, body, time.Now()), sameByBothNames(r.Header)); err != nil {
		return d.manners, fmt.Errorf("%s cannot be verified: %w", id, err)
	}
	return d.manners, d.ledger.Arrived(id, body)
}

// behave changes the receiver's behaviour.
func (d *destination) behave(m manners) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.manners = m
}

// account is the state of a destination's deliveries.
type account struct {
	missing    []string // owed but never accepted
	delivered  int
	duplicated int // accepted more than once
	refused    int
}

// account checks the destination against the messages it is owed.
func (d *destination) account(owed []string) account {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := account{refused: d.refused}
	for _, id := range owed {
		switch n := d.taken[id]; {
		case n == 0:
			a.missing = append(a.missing, id)
		case n > 1:
			a.duplicated++
			a.delivered++
		default:
			a.delivered++
		}
	}
	return a
}

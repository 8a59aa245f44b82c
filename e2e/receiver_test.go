package e2e

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"
)

// receiver is where webhooks arrive. It keeps all of them, and when the test ends, each must have
// had the right signature.
type receiver struct {
	url    string
	secret string // of the endpoint; a test that lets Postrider make one puts it here
	answer func(http.ResponseWriter, *http.Request, arrival)

	mu          sync.Mutex
	arrivals    []arrival
	times       map[string]int // how often each message arrived
	connections int
}

// arrival is one webhook.
type arrival struct {
	id     string
	nth    int // of those with this id: 1 is the first
	at     time.Time
	header http.Header
	body   []byte
}

// newReceiver starts a receiver that answers with answer, or if that is nil, with 204.
func newReceiver(t testing.TB, answer func(http.ResponseWriter, *http.Request, arrival)) *receiver {
	t.Helper()
	host := receiverHost(t)
	return newReceiverAt(t, listenAddress(), host, answer)
}

// status makes a receiver that answers with this status and nothing else.
func status(code int) func(http.ResponseWriter, *http.Request, arrival) {
	return func(w http.ResponseWriter, _ *http.Request, _ arrival) { w.WriteHeader(code) }
}

// receiverHost is the name by which the service under test reaches this machine.
func receiverHost(t testing.TB) string {
	t.Helper()
	host := os.Getenv("E2E_RECEIVER_HOST")
	if deployment() != "" && host == "" {
		t.Skip("the deployment that E2E_BASE_URL names needs E2E_RECEIVER_HOST to reach receivers on this machine")
	}
	return cmp.Or(host, "127.0.0.1")
}

func listenAddress() string {
	if os.Getenv("E2E_RECEIVER_HOST") != "" {
		return ":0"
	}
	return "127.0.0.1:0"
}

func newReceiverAt(t testing.TB, address, host string, answer func(http.ResponseWriter, *http.Request, arrival)) *receiver {
	t.Helper()
	listener := must(net.Listen("tcp", address))(t)
	r := &receiver{
		url:    fmt.Sprintf("http://%s/", net.JoinHostPort(host, fmt.Sprint(listener.Addr().(*net.TCPAddr).Port))),
		secret: newSecret(), answer: answer, times: map[string]int{},
	}
	t.Cleanup(func() { r.verify(t) }) // once nothing arrives any more
	serveHTTP(t, listener, &http.Server{Handler: r, ConnState: r.connState})
	return r
}

func newSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

func (r *receiver) connState(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.connections++
	}
}

// connected is how many connections were made to the receiver.
func (r *receiver) connected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender was killed before it had sent all of it
	}
	a := r.keep(arrival{id: request.Header.Get("webhook-id"), at: time.Now(), header: request.Header, body: body})
	if r.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.answer(w, request, a)
}

func (r *receiver) keep(a arrival) arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[a.id]++
	a.nth = r.times[a.id]
	r.arrivals = append(r.arrivals, a)
	return a
}

// verify checks what every webhook must have: a signature that the Standard Webhooks library accepts, or
// one of the endpoint's public key, which that library does not know; and the same once more by the names that Svix uses.
func (r *receiver) verify(t testing.TB) {
	t.Helper()
	for _, a := range r.all() {
		var err error
		if !strings.HasPrefix(r.secret, "whpk_") {
			err = verifyWebhook(r.secret, a.header, a.body)
		} else if !a.verifies(t, r.secret) {
			err = errors.New("no v1a signature of the public key")
		}
		if err = errors.Join(err, sameByBothNames(a.header)); err != nil {
			t.Fatalf("a webhook arrived that cannot be verified: %v\n%v\n%s", err, a.header, a.body)
		}
	}
}

func verifyWebhook(secret string, header http.Header, body []byte) error {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return verifier.Verify(body, header)
}

func sameByBothNames(header http.Header) error {
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		if standard, own := header.Get("Webhook-"+name), header.Get("Svix-"+name); standard != own {
			return fmt.Errorf("webhook-%s is %q, and svix-%s is %q", name, standard, name, own)
		}
	}
	return nil
}

// endpoint makes the receiver an endpoint of an application and returns its id.
func (r *receiver) endpoint(t testing.TB, c client, app string) string {
	t.Helper()
	return r.endpointLike(t, c, app, svix.EndpointIn{})
}

func (r *receiver) endpointLike(t testing.TB, c client, app string, in svix.EndpointIn) string {
	t.Helper()
	in.Url, in.Secret = r.url, &r.secret
	return must(c.Endpoint.Create(t.Context(), app, in, nil))(t).Id
}

// all is what has arrived so far, in that order.
func (r *receiver) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.arrivals)
}

// of is what has arrived of one message.
func (r *receiver) of(id string) []arrival {
	var found []arrival
	for _, a := range r.all() {
		if a.id == id {
			found = append(found, a)
		}
	}
	return found
}

// await waits until each of the messages has arrived at least once.
func (r *receiver) await(t testing.TB, ids ...string) {
	t.Helper()
	r.awaitTimes(t, 1, ids...)
}

// awaitTimes waits until each of the messages has arrived at least so often.
func (r *receiver) awaitTimes(t testing.TB, times int, ids ...string) {
	t.Helper()
	await(t, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		missing, example := 0, ""
		for _, id := range ids {
			if r.times[id] < times {
				missing, example = missing+1, id
			}
		}
		if missing == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d messages have not arrived %d times, %s among them", missing, len(ids), times, example)
	})
}

// counts tells how many of the messages arrived more than once, and how many webhooks were of none
// of them.
func (r *receiver) counts(ids []string) (duplicated, strange int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	strange = len(r.times)
	for _, id := range ids {
		if r.times[id] > 0 {
			strange--
		}
		if r.times[id] > 1 {
			duplicated++
		}
	}
	return duplicated, strange
}

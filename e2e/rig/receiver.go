package rig

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"
)

// Receiver receives webhooks and keeps all of them. When the test ends, it checks that each had a valid signature.
type Receiver struct {
	URL    string
	Secret string // of the endpoint; a test with a generated secret stores it here
	answer func(http.ResponseWriter, *http.Request, Arrival)

	mu          sync.Mutex
	Arrivals    []Arrival
	times       map[string]int // how often each message arrived
	connections int
}

// Arrival is a received webhook.
type Arrival struct {
	ID     string
	Nth    int // counts the arrivals with this id, from 1
	At     time.Time
	Header http.Header
	Body   []byte
}

// NewReceiver starts a receiver that answers with the given function, or with 204 if it is nil.
func NewReceiver(t testing.TB, answer func(http.ResponseWriter, *http.Request, Arrival)) *Receiver {
	t.Helper()
	host := receiverHost(t)
	return NewReceiverAt(t, listenAddress(), host, answer)
}

// AnswerStatus returns a function for NewReceiver that answers with the given status only.
func AnswerStatus(code int) func(http.ResponseWriter, *http.Request, Arrival) {
	return func(w http.ResponseWriter, _ *http.Request, _ Arrival) { w.WriteHeader(code) }
}

// receiverHost returns the name by which the service under test reaches this machine.
func receiverHost(t testing.TB) string {
	t.Helper()
	host := os.Getenv("E2E_RECEIVER_HOST")
	if Deployment() != "" && host == "" {
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

// NewReceiverAt is NewReceiver listening on an address of this machine, which senders reach as host.
func NewReceiverAt(t testing.TB, address, host string, answer func(http.ResponseWriter, *http.Request, Arrival)) *Receiver {
	t.Helper()
	listener := Must(net.Listen("tcp", address))(t)
	r := &Receiver{
		URL:    fmt.Sprintf("http://%s/", net.JoinHostPort(host, fmt.Sprint(listener.Addr().(*net.TCPAddr).Port))),
		Secret: NewSecret(), answer: answer, times: map[string]int{},
	}
	t.Cleanup(func() { r.verify(t) }) // when nothing can arrive any more
	serveHTTP(t, listener, &http.Server{Handler: r, ConnState: r.connState})
	return r
}

// NewSecret returns a new endpoint secret.
func NewSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

func (r *Receiver) connState(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.connections++
	}
}

// Connected returns how many connections the receiver has accepted.
func (r *Receiver) Connected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections
}

// ServeHTTP records a webhook and answers it.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender was killed before it had sent everything
	}
	a := r.keep(Arrival{ID: request.Header.Get("webhook-id"), At: time.Now(), Header: request.Header, Body: body})
	if r.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.answer(w, request, a)
}

func (r *Receiver) keep(a Arrival) Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[a.ID]++
	a.Nth = r.times[a.ID]
	r.Arrivals = append(r.Arrivals, a)
	return a
}

// verify checks the signature of every webhook with the Standard Webhooks library or, because that library does not
// know v1a, against the endpoint's public key. The headers under Svix's names must have the same values.
func (r *Receiver) verify(t testing.TB) {
	t.Helper()
	for _, a := range r.All() {
		var err error
		if !strings.HasPrefix(r.Secret, "whpk_") {
			err = verifyWebhook(r.Secret, a.Header, a.Body, a.At)
		} else if !a.Verifies(t, r.Secret) {
			err = errors.New("no v1a signature of the public key")
		}
		if err = errors.Join(err, sameByBothNames(a.Header)); err != nil {
			t.Fatalf("a webhook arrived that cannot be verified: %v\n%v\n%s", err, a.Header, a.Body)
		}
	}
}

// verifyWebhook verifies a webhook as its receiver would have when it arrived: tests may take longer than a timestamp is
// valid.
func verifyWebhook(secret string, header http.Header, body []byte, arrived time.Time) error {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(header.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		return err
	}
	if age := arrived.Sub(time.Unix(seconds, 0)); age.Abs() > timestampTolerance {
		return fmt.Errorf("the timestamp was %s old", age)
	}
	return verifier.VerifyIgnoringTimestamp(body, header)
}

// timestampTolerance is that of the Standard Webhooks libraries.
const timestampTolerance = 5 * time.Minute

func sameByBothNames(header http.Header) error {
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		if standard, own := header.Get("Webhook-"+name), header.Get("Svix-"+name); standard != own {
			return fmt.Errorf("webhook-%s is %q, and svix-%s is %q", name, standard, name, own)
		}
	}
	return nil
}

// NewEndpoint registers the receiver as an endpoint of an application and returns the endpoint's id.
func (r *Receiver) NewEndpoint(t testing.TB, c Client, app string) string {
	t.Helper()
	return r.NewEndpointLike(t, c, app, svix.EndpointIn{})
}

// NewEndpointLike is NewEndpoint with other properties.
func (r *Receiver) NewEndpointLike(t testing.TB, c Client, app string, in svix.EndpointIn) string {
	t.Helper()
	in.Url, in.Secret = r.URL, &r.Secret
	return Must(c.Endpoint.Create(t.Context(), app, in, nil))(t).Id
}

// All returns the webhooks that have arrived, in order of arrival.
func (r *Receiver) All() []Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.Arrivals)
}

// Of returns the webhooks of one message.
func (r *Receiver) Of(id string) []Arrival {
	var found []Arrival
	for _, a := range r.All() {
		if a.ID == id {
			found = append(found, a)
		}
	}
	return found
}

// Await waits until each of the messages has arrived at least once.
func (r *Receiver) Await(t testing.TB, ids ...string) {
	t.Helper()
	r.AwaitTimes(t, 1, ids...)
}

// AwaitTimes waits until each of the messages has arrived at least the given number of times.
func (r *Receiver) AwaitTimes(t testing.TB, times int, ids ...string) {
	t.Helper()
	Await(t, func() string {
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

// Counts returns how many of the messages arrived more than once, and how many other messages arrived.
func (r *Receiver) Counts(ids []string) (duplicated, strange int) {
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

// AnswerText returns a function for NewReceiver that answers with the given status and text.
func AnswerText(code int, text string) func(http.ResponseWriter, *http.Request, Arrival) {
	return func(w http.ResponseWriter, _ *http.Request, _ Arrival) {
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}
}

// WantSurvived waits, after a process was killed, until every accepted message has arrived and every attempt in
// progress at the kill has been repeated. It fails if no attempt was in progress.
func (r *Receiver) WantSurvived(t testing.TB, accepted []string, underWay []Arrival) {
	t.Helper()
	if len(underWay) == 0 {
		t.Fatal("nothing was under way when the process was killed: this proves nothing")
	}
	r.Await(t, accepted...)
	Await(t, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, a := range underWay {
			if r.times[a.ID] <= a.Nth {
				return fmt.Sprintf("%s was under way for the %d. time when the process was killed, and has not come again", a.ID, a.Nth)
			}
		}
		return ""
	})
	duplicated, strange := r.Counts(accepted)
	t.Logf("%d messages accepted and delivered, %d of them more than once; %d delivered that were stored, but not answered; "+
		"%d attempts were under way", len(accepted), duplicated, strange, len(underWay))
}

// Verifies reports whether a webhook has a v1a signature that the public key verifies.
func (a Arrival) Verifies(t testing.TB, public string) bool {
	t.Helper()
	encoded, ok := strings.CutPrefix(public, "whpk_")
	key := Must(base64.StdEncoding.DecodeString(encoded))(t)
	if !ok || len(key) != ed25519.PublicKeySize {
		t.Fatalf("%q is no public key", public)
	}
	content := a.ID + "." + a.Header.Get("webhook-timestamp") + "." + string(a.Body)
	return slices.ContainsFunc(strings.Fields(a.Header.Get("webhook-signature")), func(signature string) bool {
		encoded, ok := strings.CutPrefix(signature, "v1a,")
		return ok && ed25519.Verify(key, []byte(content), Must(base64.StdEncoding.DecodeString(encoded))(t))
	})
}

// Distinct returns how many different messages have arrived.
func (r *Receiver) Distinct() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.times)
}

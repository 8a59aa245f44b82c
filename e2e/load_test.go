package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

// load is many messages sent at once.
type load struct {
	client
	app      string
	messages int // to send; 0: until something fails
	senders  int
	pace     <-chan time.Time // each message waits for a tick; nil: as fast as they are answered
	lead     *lead            // the senders wait while it is used up; nil: they never wait for deliveries
	idle     atomic.Bool      // stops the senders early

	ended    chan struct{} // closed at the end of what background began
	mu       sync.Mutex
	accepted []string // the ids of messages that were answered with 202
	failure  error    // the first request that was not
}

// run returns when all is sent, or a request has failed.
func (l *load) run(ctx context.Context) {
	var next atomic.Int64
	var senders sync.WaitGroup
	for range l.senders {
		senders.Go(func() {
			for n := int(next.Add(1)); n <= l.messages && l.turn(ctx); n = int(next.Add(1)) {
				l.send(ctx, n)
			}
		})
	}
	senders.Wait()
}

// turn waits until one more message may be sent, and reports whether one is to be sent at all.
func (l *load) turn(ctx context.Context) bool {
	if l.pace != nil {
		<-l.pace
	}
	return poll(ctx, func() bool { return l.idle.Load() || !l.lead.usedUp() }) == nil && !l.idle.Load()
}

func (l *load) send(ctx context.Context, n int) {
	id, err := l.post(ctx, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.accepted = append(l.accepted, id)
		l.lead.sent()
		return
	}
	l.idle.Store(true)
	if l.failure == nil {
		l.failure = err
	}
}

func (l *load) post(ctx context.Context, n int) (id string, err error) {
	body := fmt.Sprintf(`{"eventType": "load", "payload": {"n": %d}}`, n)
	answer, err := l.client.send(ctx, http.MethodPost, "/api/v1/app/"+l.app+"/msg?with_content=false", body)
	if err != nil {
		return "", err
	}
	if answer.status != http.StatusAccepted {
		return "", fmt.Errorf("status %d: %s", answer.status, answer.body)
	}
	var message struct{ ID string }
	err = json.Unmarshal(answer.body, &message)
	return message.ID, err
}

// ids are those of the messages that were accepted so far.
func (l *load) ids() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.accepted)
}

// complete wants every request to have been accepted.
func (l *load) complete(t testing.TB) []string {
	t.Helper()
	if ids := l.ids(); l.failure != nil || len(ids) != l.messages {
		t.Fatalf("%d of %d messages were accepted: %v", len(ids), l.messages, l.failure)
	}
	return l.ids()
}

func TestTenThousandMessagesAreDeliveredOnceEach(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	p, s := serve(t)
	l := &load{client: s.tenant(t), messages: 10_000, senders: 32}
	l.app = l.application(t)
	receiver := newReceiver(t, nil)
	endpoint := receiver.endpoint(t, l.client, l.app)
	l.run(t.Context())
	ids := l.complete(t)
	receiver.await(t, ids...)
	p.stop(t) // what it had under way is written down now
	if duplicated, strange := receiver.counts(ids); duplicated+strange > 0 {
		t.Errorf("%d messages were delivered more than once, and %d webhooks are of no message", duplicated, strange)
	}

	// The books agree: nothing is owed any more, or another process would send it after the lease.
	reader := start(t, append(p.settings(), "POSTRIDER_LISTEN=127.0.0.1:0"), "api")
	l.client = newClient(t, reader.service(t).url, l.token)
	if got := succeeded(t, l.client, l.app, endpoint); len(got) != len(ids) || !containsAll(got, ids) {
		t.Errorf("%d successful attempts are on record, want one for each of %d messages", len(got), len(ids))
	}
}

// settings are those the process was started with.
func (p *process) settings() []string { return slices.Clone(p.cmd.Env) }

// succeeded is the message of each successful attempt at an endpoint.
func succeeded(t testing.TB, c client, app, endpoint string) (messages []string) {
	t.Helper()
	options := svix.MessageAttemptListByEndpointOptions{
		Limit: new(uint64(250)), Status: new(models.MESSAGESTATUS_SUCCESS), WithContent: new(false),
	}
	for {
		page := must(c.MessageAttempt.ListByEndpoint(t.Context(), app, endpoint, &options))(t)
		for _, a := range page.Data {
			messages = append(messages, a.MsgId)
		}
		if page.Done {
			return messages
		}
		options.Iterator = page.Iterator
	}
}

func TestOneMessageGoesToAThousandEndpoints(t *testing.T) {
	t.Parallel()
	const endpoints = 1000
	c := shared(t).tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	body, err := json.Marshal(map[string]string{"url": receiver.url, "secret": receiver.secret})
	done(t, err)
	var failed atomic.Int64
	var makers sync.WaitGroup
	for range 10 {
		makers.Go(func() {
			for range endpoints / 10 {
				answer, err := c.send(t.Context(), http.MethodPost, "/api/v1/app/"+app+"/endpoint", string(body))
				if err != nil || answer.status != http.StatusCreated {
					failed.Add(1)
				}
			}
		})
	}
	makers.Wait()
	if n := failed.Load(); n > 0 {
		t.Fatalf("%d endpoints could not be made", n)
	}

	id := c.message(t, app)
	await(t, func() string {
		if n := len(receiver.all()); n < endpoints {
			return fmt.Sprintf("%d of %d webhooks have arrived", n, endpoints)
		}
		return ""
	})
	seen := map[string]bool{}
	for _, a := range allAttempts(t, c, app, id, endpoints) {
		seen[a.EndpointId] = true
	}
	if len(seen) != endpoints || len(receiver.of(id)) != endpoints {
		t.Errorf("%d endpoints have an attempt and %d webhooks arrived, want %d of each", len(seen), len(receiver.of(id)), endpoints)
	}
}

// allAttempts waits until a message has so many attempts, which are more than a page.
func allAttempts(t testing.TB, c client, app, message string, n int) (all []svix.MessageAttemptOut) {
	t.Helper()
	await(t, func() string {
		all = nil
		options := svix.MessageAttemptListByMsgOptions{Limit: new(uint64(250))}
		for {
			page := must(c.MessageAttempt.ListByMsg(t.Context(), app, message, &options))(t)
			all = append(all, page.Data...)
			if page.Done {
				break
			}
			options.Iterator = page.Iterator
		}
		if len(all) < n {
			return fmt.Sprintf("%d of %d attempts are on record", len(all), n)
		}
		return ""
	})
	return all
}

package rig

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
)

// SteadyRate is the number of messages a second these tests send; slow machines send fewer.
const SteadyRate = 300

// Background starts a load. The returned function waits until the load ends, and fails unless every message was
// accepted.
func (l *Load) Background(t testing.TB) (ids func() []string) {
	t.Helper()
	l.Ended = make(chan struct{})
	go func() {
		defer close(l.Ended)
		l.Run(t.Context())
	}()
	t.Cleanup(func() { l.idle.Store(true); <-l.Ended })
	return func() []string {
		t.Helper()
		<-l.Ended
		return l.Complete(t)
	}
}

// Halt ends a background load early, and fails unless every message it sent was accepted.
func (l *Load) Halt(t testing.TB) (ids []string) {
	t.Helper()
	l.idle.Store(true)
	<-l.Ended
	if l.Failure != nil {
		t.Fatal(l.Failure)
	}
	return l.IDs()
}

// SteadyLoad is LoadAt with the steady rate.
func SteadyLoad(t testing.TB, c Client, app string, messages int, lead *Lead) *Load {
	t.Helper()
	return LoadAt(t, SteadyRate, c, app, messages, lead)
}

// LoadAt returns a load of rate messages a second that pauses while its lead is used up.
func LoadAt(t testing.TB, rate int, c Client, app string, messages int, lead *Lead) *Load {
	t.Helper()
	tick := time.NewTicker(time.Second / time.Duration(rate)) // garbage collected when the load is done
	return &Load{Client: c, App: app, Messages: messages, Senders: 16, pace: tick.C, Lead: lead}
}

// SteadyLead is the lead of steady loads: four seconds' worth of messages.
const SteadyLead = 4 * SteadyRate

// Lead limits how far loads run ahead of deliveries: their senders wait while too many messages have not arrived.
// Without it, a load that runs for as long as something else takes would leave a slow machine with more messages than
// the test can wait for. Loads to one receiver share one lead.
type Lead struct {
	receiver *Receiver
	most     int // messages accepted but not arrived; all senders but one may exceed it by one
	before   int // messages that had already arrived at the receiver
	accepted atomic.Int64
}

// NewLead returns a lead that lets loads run up to most messages ahead of a receiver.
func NewLead(r *Receiver, most int) *Lead {
	return &Lead{receiver: r, most: most, before: r.Distinct()}
}

func (l *Lead) sent() {
	if l != nil {
		l.accepted.Add(1)
	}
}

// UsedUp reports whether the next message has to wait.
func (l *Lead) UsedUp() bool {
	return l != nil && int(l.accepted.Load())-(l.receiver.Distinct()-l.before) >= l.most
}

// Load sends many messages concurrently.
type Load struct {
	Client
	App      string
	Messages int // to send; 0: until something fails
	Senders  int
	pace     <-chan time.Time // each message waits for a tick; nil: no pacing
	Lead     *Lead            // senders wait while it is used up; nil: no limit
	idle     atomic.Bool      // stops the senders early

	Ended    chan struct{} // closed when a background load has ended
	mu       sync.Mutex
	accepted []string // ids of messages answered with 202
	Failure  error    // the first failed request
}

// Run sends the messages. It returns when all are sent or a request has failed.
func (l *Load) Run(ctx context.Context) {
	var next atomic.Int64
	var senders sync.WaitGroup
	for range l.Senders {
		senders.Go(func() {
			for n := int(next.Add(1)); n <= l.Messages && l.turn(ctx); n = int(next.Add(1)) {
				l.send(ctx, n)
			}
		})
	}
	senders.Wait()
}

// turn waits until another message may be sent, and reports whether there is one to send.
func (l *Load) turn(ctx context.Context) bool {
	if l.pace != nil {
		<-l.pace
	}
	return poll(ctx, func() bool { return l.idle.Load() || !l.Lead.UsedUp() }) == nil && !l.idle.Load()
}

func (l *Load) send(ctx context.Context, n int) {
	id, err := l.post(ctx, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.accepted = append(l.accepted, id)
		l.Lead.sent()
		return
	}
	l.idle.Store(true)
	if l.Failure == nil {
		l.Failure = err
	}
}

func (l *Load) post(ctx context.Context, n int) (id string, err error) {
	body := fmt.Sprintf(`{"eventType": "load", "payload": {"n": %d}}`, n)
	answer, err := l.Do(ctx, http.MethodPost, "/api/v1/app/"+l.App+"/msg?with_content=false", body)
	if err != nil {
		return "", err
	}
	if answer.Status != http.StatusAccepted {
		return "", fmt.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	var message struct{ ID string }
	err = json.Unmarshal(answer.Body, &message)
	return message.ID, err
}

// IDs returns the ids of the messages accepted so far.
func (l *Load) IDs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.accepted)
}

// Complete fails unless every request was accepted.
func (l *Load) Complete(t testing.TB) []string {
	t.Helper()
	if ids := l.IDs(); l.Failure != nil || len(ids) != l.Messages {
		t.Fatalf("%d of %d messages were accepted: %v", len(ids), l.Messages, l.Failure)
	}
	return l.IDs()
}

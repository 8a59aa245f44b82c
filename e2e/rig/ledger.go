package rig

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Ledger records sent messages by the number in their payloads, including those whose client never got an answer.
type Ledger struct {
	mu       sync.Mutex
	next     int
	answered map[string]string // by message: the application's id
	unheard  int               // messages whose client gave up without an answer
	Retries  int
	idsOf    map[int]string // by number: the only id that the message may have
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{answered: map[string]string{}, idsOf: map[int]string{}}
}

// number returns the number of the next message.
func (l *Ledger) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

// payload returns the payload of message n. Its size varies with n, and it must arrive unchanged.
func payload(n int) string {
	return fmt.Sprintf(`{"number": %d,  "text": "%s"}`, n, strings.Repeat("Grüße ", n*7%200))
}

// Arrived checks a webhook: its payload must be that of a sent message, byte for byte, and no message may have two
// ids.
func (l *Ledger) Arrived(id string, body []byte) error {
	var n int
	if _, err := fmt.Sscanf(string(body), `{"number": %d,`, &n); err != nil || string(body) != payload(n) {
		return fmt.Errorf("%s has a payload that nobody sent", id)
	}
	return l.identify(n, id)
}

func (l *Ledger) identify(n int, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.idsOf[n]; known != "" && known != id {
		return fmt.Errorf("message %d was stored twice under one idempotency key, as %s and %s", n, known, id)
	}
	l.idsOf[n] = id
	return nil
}

// accepted records an answer of 202.
func (l *Ledger) accepted(n int, app, id string) error {
	l.mu.Lock()
	l.answered[id] = app
	l.mu.Unlock()
	return l.identify(n, id)
}

func (l *Ledger) gaveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unheard++
}

func (l *Ledger) triedAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Retries++
}

// Retried returns how many requests were made again so far.
func (l *Ledger) Retried() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Retries
}

// IDs returns the ids of the messages that were accepted.
func (l *Ledger) IDs() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.answered {
		ids = append(ids, id)
	}
	return slices.Sorted(slices.Values(ids))
}

package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// SoakLoad is a load by well-behaved clients: each message has an idempotency key, and a client that gets no answer
// retries with that key at any process. Some clients give up.
type SoakLoad struct {
	API      func() string // an address of the service; "": there is none now
	Token    string
	Apps     []string
	Ledger   *Ledger
	Lead     *Lead           // clients wait while it is used up; nil: no limit
	Healed   context.Context // ends when clients may no longer give up
	Complain func(format string, args ...any)
}

const (
	soakSenders  = 8
	soakPerSend  = 200 * time.Millisecond // for each sender; 40 messages a second in total
	soakRetry    = 100 * time.Millisecond
	soakRequest  = 4 * time.Second // how long a client waits for an answer
	soakHurry    = 0.05            // fraction of requests whose client hangs up within hurry
	hurry        = 10 * time.Millisecond
	soakGivingUp = 0.1 // fraction of failed requests that are not retried
)

// Run sends until ctx ends. It returns when every message it began is answered or given up.
func (l *SoakLoad) Run(ctx context.Context, t testing.TB) {
	t.Helper()
	var senders sync.WaitGroup
	for range soakSenders {
		senders.Go(func() {
			for Pause(ctx, soakPerSend) == nil {
				if !l.Lead.UsedUp() {
					l.send(t.Context())
				}
			}
		})
	}
	senders.Wait()
}

// send sends one message, and retries until it is answered.
func (l *SoakLoad) send(ctx context.Context) {
	n := l.Ledger.number()
	app := l.Apps[rand.IntN(len(l.Apps))]
	for deadline := time.Now().Add(Patience); ; l.Ledger.triedAgain() {
		id, err := l.post(ctx, n, app)
		if err == nil {
			if err := l.Ledger.accepted(n, app, id); err != nil {
				l.Complain("%v", err)
			}
			l.Lead.sent()
			return
		}
		if time.Now().After(deadline) {
			l.Complain("message %d is not accepted after %s: %v", n, Patience, err)
			return
		}
		if l.Healed.Err() == nil && rand.Float64() < soakGivingUp {
			l.Ledger.gaveUp()
			return
		}
		if Pause(ctx, soakRetry) != nil {
			return
		}
	}
}

func (l *SoakLoad) post(ctx context.Context, n int, app string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime())
	defer cancel()
	address := l.API()
	if address == "" {
		return "", fmt.Errorf("no API is up")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v1/app/"+app+"/msg?with_content=false",
		strings.NewReader(fmt.Sprintf(`{"eventType": "soak", "payload": %s}`, payload(n))))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+l.Token)
	request.Header.Set("Idempotency-Key", fmt.Sprintf("message-%d", n))
	answer, err := ReadResponse(HTTPClient.Do(request))
	if err != nil {
		return "", err
	}
	switch {
	case answer.Status == http.StatusAccepted:
		var message struct{ ID string }
		err = json.Unmarshal(answer.Body, &message)
		return message.ID, err
	case answer.Status < 500: // the request is valid, so a 4xx is an error
		l.Complain("message %d was answered with %d: %s", n, answer.Status, answer.Body)
	}
	return "", fmt.Errorf("status %d: %s", answer.Status, answer.Body)
}

// requestTime returns how long a client waits for its answer.
func requestTime() time.Duration {
	if rand.Float64() < soakHurry {
		return rand.N(hurry)
	}
	return soakRequest
}

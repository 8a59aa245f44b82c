package e2e

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

// soakLoad are clients as they should be: each message has an idempotency key, and what was not
// answered is sent again with it, to whichever process answers. Some give up.
type soakLoad struct {
	api      func() string // an address of the service; "": there is none at the moment
	token    string
	apps     []string
	ledger   *ledger
	lead     *lead           // the clients wait while it is used up; nil: they never wait for deliveries
	healed   context.Context // ended once nobody may give up any more
	complain func(format string, args ...any)
}

const (
	soakSenders  = 8
	soakPerSend  = 200 * time.Millisecond // of each sender: 40 messages a second in all
	soakRetry    = 100 * time.Millisecond
	soakRequest  = 4 * time.Second // how long a client waits for an answer
	soakHurry    = 0.05            // of the requests, those whose client hangs up within hurry
	hurry        = 10 * time.Millisecond
	soakGivingUp = 0.1 // of the requests that failed, those that are not made again
)

// run sends until ctx ends, and returns when all that was begun is answered or given up.
func (l *soakLoad) run(ctx context.Context, t testing.TB) {
	t.Helper()
	var senders sync.WaitGroup
	for range soakSenders {
		senders.Go(func() {
			for pause(ctx, soakPerSend) == nil {
				if !l.lead.usedUp() {
					l.send(t.Context())
				}
			}
		})
	}
	senders.Wait()
}

// send sends one message until it is answered.
func (l *soakLoad) send(ctx context.Context) {
	n := l.ledger.number()
	app := l.apps[rand.IntN(len(l.apps))]
	for deadline := time.Now().Add(patience); ; l.ledger.triedAgain() {
		id, err := l.post(ctx, n, app)
		if err == nil {
			if err := l.ledger.accepted(n, app, id); err != nil {
				l.complain("%v", err)
			}
			l.lead.sent()
			return
		}
		if time.Now().After(deadline) {
			l.complain("message %d is not accepted after %s: %v", n, patience, err)
			return
		}
		if l.healed.Err() == nil && rand.Float64() < soakGivingUp {
			l.ledger.gaveUp()
			return
		}
		if pause(ctx, soakRetry) != nil {
			return
		}
	}
}

func (l *soakLoad) post(ctx context.Context, n int, app string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime())
	defer cancel()
	address := l.api()
	if address == "" {
		return "", fmt.Errorf("no API is up")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/v1/app/"+app+"/msg?with_content=false",
		strings.NewReader(fmt.Sprintf(`{"eventType": "soak", "payload": %s}`, payload(n))))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+l.token)
	request.Header.Set("Idempotency-Key", fmt.Sprintf("message-%d", n))
	answer, err := readResponse(httpClient.Do(request))
	if err != nil {
		return "", err
	}
	switch {
	case answer.status == http.StatusAccepted:
		var message struct{ ID string }
		err = json.Unmarshal(answer.body, &message)
		return message.ID, err
	case answer.status < 500: // nothing is wrong with the request, so nobody may say so
		l.complain("message %d was answered with %d: %s", n, answer.status, answer.body)
	}
	return "", fmt.Errorf("status %d: %s", answer.status, answer.body)
}

// requestTime is how long a client waits for its answer.
func requestTime() time.Duration {
	if rand.Float64() < soakHurry {
		return rand.N(hurry)
	}
	return soakRequest
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const attackName = "attack"

// attack is what one customer does to the others, with nothing but its token.
type attack struct {
	name, about string
	prepare     func(context.Context, *attacker) error // makes what the attack needs
	run         func(context.Context, *attacker)       // attacks until the context ends
	held        string                                 // held in a transaction meanwhile, for an application and an endpoint
	reference   bool                                   // for comparison only, not judged
}

// attackSubject is the target of an attack.
type attackSubject struct{ App, Endpoint string }

// attacker is a customer with a token of its own organisation. It shares the processors with the service it attacks,
// so it sends precomputed bodies and does not read responses.
type attacker struct {
	api     apiClient
	http    *http.Client
	hook    string // the receivers' URL
	payload int
	body    []byte // a message's body
	paths   []string
	attackSubject
	endpoints []string

	answered, refused, failed atomic.Int64 // requests: 2xx; other answers; none
	received                  atomic.Int64 // webhooks
}

// attackFigures are the results of an attack's requests.
type attackFigures struct{ Answered, Refused, Failed, Received int64 }

func (f attackFigures) String() string {
	return fmt.Sprintf("the attack: %d requests answered, %d refused, %d failed, %d webhooks received", f.Answered, f.Refused, f.Failed, f.Received)
}

// attackMain prepares an attack, and then listens: it starts and stops the attack on request.
func attackMain(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("bench attack", flag.ContinueOnError)
	a := &attacker{http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}}}
	name := f.String("attack", "", "which")
	f.StringVar(&a.api.base, "base", "", "the URL of the API")
	f.StringVar(&a.api.token, "token", "", "the bearer token")
	f.IntVar(&a.payload, "payload", 400, "bytes of a small payload")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	chosen, err := attacksNamed(*name)
	if err != nil {
		return err
	}
	hook, stop, err := receiveAt(ctx, http.HandlerFunc(a.receive))
	if err != nil {
		return err
	}
	defer stop()
	a.hook, a.body = hook, batchOne(a.payload)
	if err := chosen[0].prepare(ctx, a); err != nil {
		return fmt.Errorf("prepare attack %s: %w", *name, err)
	}
	return serveHTTP(ctx, a.control(ctx, chosen[0]), stdout)
}

// control starts and stops an attack by POST.
func (a *attacker) control(ctx context.Context, chosen attack) http.Handler {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	mux := http.NewServeMux()
	mux.HandleFunc("GET /subject", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(a.attackSubject) })
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, _ *http.Request) {
		a.answered.Store(0)
		a.refused.Store(0)
		a.failed.Store(0)
		a.received.Store(0)
		ended.Go(func() { chosen.run(ctx, a) })
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /end", func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		ended.Wait()
		_ = json.NewEncoder(w).Encode(attackFigures{a.answered.Load(), a.refused.Load(), a.failed.Load(), a.received.Load()})
	})
	return mux
}

// slowPath is the path of the receiver that reads slowly.
const slowPath = "slow"

// receive reads a webhook, either at once or at 64 kB per second.
func (a *attacker) receive(w http.ResponseWriter, r *http.Request) {
	a.received.Add(1)
	if r.URL.Path == "/"+slowPath {
		chunk := make([]byte, 6400)
		for {
			if _, err := io.ReadFull(r.Body, chunk); err != nil || pause(r.Context(), 100*time.Millisecond) != nil {
				return
			}
		}
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusNoContent)
}

// send makes one request and counts its result.
func (a *attacker) send(ctx context.Context, method, path string, body []byte) {
	status, err := a.request(ctx, method, path, body)
	switch {
	case ctx.Err() != nil: // the attack is over
	case err != nil:
		a.failed.Add(1)
	case status >= http.StatusMultipleChoices:
		a.refused.Add(1)
	default:
		a.answered.Add(1)
	}
}

func (a *attacker) request(ctx context.Context, method, path string, body []byte) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, a.api.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+a.api.token)
	response, err := a.http.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// paced starts a request at each tick, whatever happened to the previous ones.
func (a *attacker) paced(ctx context.Context, perSecond int, path string) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var underWay sync.WaitGroup
	defer underWay.Wait()
	for {
		underWay.Go(func() { a.send(ctx, http.MethodPost, path, a.body) })
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// flood makes clients send requests without pause, each client cycling through the paths.
func (a *attacker) flood(ctx context.Context, clients int, method string, body []byte, paths ...string) {
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for i := n; ctx.Err() == nil; i++ {
				a.send(ctx, method, paths[i%len(paths)], body)
			}
		})
	}
	all.Wait()
}

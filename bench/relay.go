package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// relay does all of the service's work except storing: it accepts the same request, creates an id, responds, signs,
// and posts to one endpoint. It is the fastest that any sender in Go could be here.
type relay struct {
	target string
	key    []byte
	client *http.Client
	queue  chan relayed
}

type relayed struct {
	id      string
	payload []byte
}

const (
	relayWorkers = 64   // as many as the service has in progress to one endpoint
	relayQueue   = 1024 // more than there are clients, so that they wait only for the receiver
)

func relayMain(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("bench relay", flag.ContinueOnError)
	target := f.String("target", "", "the endpoint's URL")
	secret := f.String("secret", "", "the endpoint's secret")
	profile := f.String("profile", "", "write a CPU profile to this file")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	key, err := parseSecret(*secret)
	if err != nil {
		return err
	}
	r := &relay{target: *target, key: key, client: newRelayClient(), queue: make(chan relayed, relayQueue)}
	for range relayWorkers {
		go r.work(ctx)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/app/{app}/msg", r.accept)
	return profiled(*profile, func() error { return serveHTTP(ctx, mux, stdout) })
}

// newRelayClient is set up like the service's client: keep-alive for as many connections as workers, no redirects, no
// decompression.
func newRelayClient() *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableCompression: true, MaxIdleConns: 2 * relayWorkers, MaxIdleConnsPerHost: relayWorkers,
			IdleConnTimeout: 90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (r *relay) accept(w http.ResponseWriter, q *http.Request) {
	token, bearer := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	if !bearer || strings.Count(token, ".") != 2 {
		http.Error(w, `{"code":"authentication_failed","detail":"No token."}`, http.StatusUnauthorized)
		return
	}
	var body bytes.Buffer
	body.Grow(int(min(max(q.ContentLength, 0), 64<<10)) + bytes.MinRead)
	if _, err := body.ReadFrom(http.MaxBytesReader(w, q.Body, 2<<20)); err != nil {
		http.Error(w, `{"code":"generic_error","detail":"The body cannot be read."}`, http.StatusBadRequest)
		return
	}
	var in struct {
		EventType string          `json:"eventType"`
		Payload   json.RawMessage `json:"payload"`
		EventID   *string         `json:"eventId"`
		Channels  []string        `json:"channels"`
	}
	if !utf8.Valid(body.Bytes()) || json.Unmarshal(body.Bytes(), &in) != nil || in.EventType == "" || len(in.Payload) == 0 {
		http.Error(w, `{"code":"validation","detail":"No message."}`, http.StatusUnprocessableEntity)
		return
	}
	id := messagePrefix + "3" + rand.Text() // 27 characters, like the service's
	select {
	case r.queue <- relayed{id, in.Payload}:
	case <-q.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"channels":null,"eventId":null,"eventType":%q,"id":%q,"payload":%s,"timestamp":%q}`,
		in.EventType, id, in.Payload, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))
}

func (r *relay) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-r.queue:
			if err := r.deliver(ctx, m); err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "bench relay: %v\n", err) // the round counts it as lost
			}
		}
	}
}

func (r *relay) deliver(ctx context.Context, m relayed) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.target, bytes.NewReader(m.payload))
	if err != nil {
		return err
	}
	id, timestamp := []string{m.id}, []string{strconv.FormatInt(time.Now().Unix(), 10)}
	signed := []string{signature(r.key, m.id, timestamp[0], m.payload)}
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"bench-relay"},
		"Webhook-Id": id, "Webhook-Timestamp": timestamp, "Webhook-Signature": signed,
		"Svix-Id": id, "Svix-Timestamp": timestamp, "Svix-Signature": signed,
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("the receiver answered %s", response.Status)
	}
	return nil
}

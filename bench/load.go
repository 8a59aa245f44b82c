package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// loadConfig says what to send, and where.
type loadConfig struct {
	url         string
	token       string
	messages    int
	clients     int
	payload     int
	idempotency bool
}

// sending is the result.
type sending struct {
	FirstAt time.Time // just before the first request
	IDs     []string  // of the messages that were answered with 202
	Refused int       // messages with another answer, or none
	Refusal string    // the first such answer

	Acknowledged int // by a broker, which does not know the messages' ids
}

func loadMain(ctx context.Context, args []string, stdout io.Writer) error {
	var c loadConfig
	f := flag.NewFlagSet("bench load", flag.ContinueOnError)
	f.StringVar(&c.url, "url", "", "where messages are posted")
	f.StringVar(&c.token, "token", "", "the bearer token")
	f.IntVar(&c.messages, "messages", 1000, "how many")
	f.IntVar(&c.clients, "clients", 32, "clients")
	f.IntVar(&c.payload, "payload", 400, "bytes of a payload")
	f.BoolVar(&c.idempotency, "idempotency", true, "send idempotency keys")
	profile := f.String("profile", "", "write a CPU profile to this file")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	return profiled(*profile, func() error { return json.NewEncoder(stdout).Encode(send(ctx, c)) })
}

// send makes each client post the next message as soon as its last one is answered. Nothing is retried: a sound
// service on the same machine refuses nothing.
func send(ctx context.Context, c loadConfig) sending {
	httpClient := &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			MaxIdleConns: c.clients, MaxIdleConnsPerHost: c.clients, DisableCompression: true,
		},
	}
	defer httpClient.CloseIdleConnections()
	clients := make([]client, c.clients)
	var next atomic.Int64
	var done sync.WaitGroup
	result := sending{FirstAt: time.Now()}
	for i := range clients {
		clients[i] = client{loadConfig: c, http: httpClient}
		done.Go(func() {
			for n := next.Add(1); n <= int64(c.messages) && ctx.Err() == nil; n = next.Add(1) {
				clients[i].post(ctx, int(n))
			}
		})
	}
	done.Wait()
	for _, one := range clients {
		result.IDs = append(result.IDs, one.ids...)
		if one.refused > 0 && result.Refused == 0 {
			result.Refusal = one.refusal
		}
		result.Refused += one.refused
	}
	return result
}

// client is one sender; one goroutine uses it.
type client struct {
	loadConfig
	http    *http.Client
	body    []byte
	answer  bytes.Buffer
	ids     []string
	refused int
	refusal string
}

// post sends one message as the SDKs do: with their headers, and reading the response.
func (c *client) post(ctx context.Context, n int) {
	id, err := c.exchange(ctx, n)
	if err == nil {
		c.ids = append(c.ids, id)
		return
	}
	if c.refused == 0 {
		c.refusal = err.Error()
	}
	c.refused++
}

func (c *client) exchange(ctx context.Context, n int) (string, error) {
	c.body = append(c.body[:0], `{"eventType":"invoice.paid","payload":`...)
	c.body = appendPayload(c.body, n, c.payload)
	c.body = append(c.body, '}')
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return "", err
	}
	request.Header = http.Header{
		"Authorization": {"Bearer " + c.token},
		"Content-Type":  {"application/json"},
		"Accept":        {"application/json"},
		"User-Agent":    {"svix-libs/1.93.0/go"},
		"Svix-Req-Id":   {strconv.FormatUint(rand.Uint64(), 10)},
	}
	if c.idempotency {
		request.Header["Idempotency-Key"] = []string{fmt.Sprintf("auto_%016x%016x", rand.Uint64(), rand.Uint64())}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	c.answer.Reset()
	if _, err := c.answer.ReadFrom(response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("%s: %.200s", response.Status, c.answer.Bytes())
	}
	return idIn(c.answer.Bytes())
}

// idIn finds the message's id without decoding the rest: the load generator shares the processors with the service
// that it measures.
func idIn(answer []byte) (string, error) {
	_, tail, found := bytes.Cut(answer, []byte(`"id":"`+messagePrefix))
	id, _, closed := bytes.Cut(tail, []byte(`"`))
	if !found || !closed {
		return "", errors.New("an answer without a message's id")
	}
	return messagePrefix + string(id), nil
}

// appendPayload appends the n-th payload, which is unique and has the given size.
func appendPayload(b []byte, n, size int) []byte {
	end := len(b) + size - len(`"}`)
	b = append(b, `{"type":"invoice.paid","invoice":"inv_`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `","amount":129900,"currency":"EUR","customer":{"id":"cus_8841","country":"NL"},"note":"`...)
	for len(b) < end {
		b = append(b, "Thank you for your order. "[:min(26, end-len(b))]...)
	}
	return append(b, `"}`...)
}

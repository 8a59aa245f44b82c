package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/localpg"
	"github.com/postrider/postrider/telemetry"
)

type demoCommand struct{}

const (
	demoListen    = "127.0.0.1:0"
	demoRefusals  = 2 // how often the second receiver fails before it accepts
	demoPatience  = 30 * time.Second
	demoBodyMax   = 1 << 20
	demoCallLimit = 10 * time.Second
)

// demoRetries are short, so that the event reaches the receiver that fails twice while the user watches.
func demoRetries() Durations {
	return Durations{300 * time.Millisecond, 600 * time.Millisecond, time.Second}
}

// Run starts Postrider, sends events over the API as a product would, and prints the webhooks that arrive. It returns an
// error unless every event arrived with a valid signature.
func (demoCommand) Run(ctx context.Context, c *Config, con console) error {
	config := *c
	con.log = c.demoLog(con)
	if err := telemetry.CheckVariables(con.log); err != nil {
		return err
	}
	if config.DatabaseURL == "" { // a temporary database, so that demo runs beside serve and leaves nothing behind
		pg, err := localpg.Start(ctx, localpg.Config{Ephemeral: true})
		if err != nil {
			return err
		}
		defer func() {
			if err := pg.Stop(); err != nil {
				con.log.Error(localStopFailed, "error", err)
			}
		}()
		config.DatabaseURL, config.JWTAlgorithm, config.JWTSecret = pg.URL(), "HS256", rand.Text()+rand.Text()
	}
	config.Listen, config.RetrySchedule = demoListen, demoRetries()
	config.AllowSubnets = append([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, config.AllowSubnets...)
	i, err := Start(ctx, config, Parts{API: true, Worker: true, Jobs: true}, con.log)
	if err != nil {
		return err
	}
	defer i.Stop()
	token, err := i.tokens.Org(defaultOrg, time.Hour)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	d := &demo{client: apiClient{http: http.Client{Timeout: demoCallLimit}, url: i.URL(), token: token}, con: con, arrivals: make(chan arrival, 100)}
	return d.run(ctx)
}

// demoLog returns a log apart from what the demo prints. An endpoint that fails is part of the demo, so warnings are
// left out unless the level says otherwise.
func (c *Config) demoLog(con console) *slog.Logger {
	level := c.LogLevel
	if level == slog.LevelInfo {
		level = slog.LevelError
	}
	return telemetry.NewLogger(con.err, level, c.logFormat(con.err))
}

// demo is one run: an application, two receivers, and what they received.
type demo struct {
	client   apiClient
	con      console
	app      string
	arrivals chan arrival
}

// arrival is an event that a receiver accepted.
type arrival struct {
	at string // the receiver's name
	received
}

func (d *demo) run(ctx context.Context) error {
	var app struct{ ID string }
	if err := d.client.call(ctx, http.MethodPost, "/app", map[string]any{"name": "Demo"}, &app); err != nil {
		return err
	}
	d.app = app.ID
	defer d.cleanUp()
	d.con.printf("Created the application %s.\n", d.app)
	if err := d.addReceiver(ctx, "steady", 0); err != nil {
		return err
	}
	if err := d.addReceiver(ctx, "flaky", demoRefusals); err != nil {
		return err
	}
	sent, err := d.sendAll(ctx)
	if err != nil {
		return err
	}
	return d.show(ctx, sent)
}

// cleanUp removes the demo's application from the database.
func (d *demo) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), demoCallLimit)
	defer cancel()
	if err := d.client.call(ctx, http.MethodDelete, "/app/"+d.app, nil, nil); err != nil {
		d.con.log.Warn("application delete failed; the demo's application remains", "application", d.app, "error", err)
	}
}

// addReceiver starts a receiver and creates an endpoint for it that receives the messages of its channel. The
// receiver answers its first requests, as many as refusals says, with 503.
func (d *demo) addReceiver(ctx context.Context, name string, refusals int) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("receiver: %w", err)
	}
	url := fmt.Sprintf("http://%s/%s", listener.Addr(), name)
	var endpoint struct{ ID string }
	in := map[string]any{"url": url, "channels": []string{name}}
	if err := d.client.call(ctx, http.MethodPost, "/app/"+d.app+"/endpoint", in, &endpoint); err != nil {
		return err
	}
	var secret struct{ Key string }
	if err := d.client.call(ctx, http.MethodGet, "/app/"+d.app+"/endpoint/"+endpoint.ID+"/secret", nil, &secret); err != nil {
		return err
	}
	r, err := newReceiver(secret.Key, d.accept(name, refusals))
	if err != nil {
		return err
	}
	go func() {
		if err := serveHTTP(ctx, listener, r); err != nil {
			d.con.log.Error("receiver failed; its webhooks will not arrive", "receiver", name, "error", err)
		}
	}()
	d.con.printf("Created the endpoint %s at %s.\n", endpoint.ID, url)
	return nil
}

func (d *demo) accept(name string, refusals int) func(received) int {
	var mu sync.Mutex
	return func(got received) int {
		mu.Lock()
		defer mu.Unlock()
		if refusals > 0 {
			refusals--
			return http.StatusServiceUnavailable
		}
		d.arrivals <- arrival{at: name, received: got}
		return http.StatusNoContent
	}
}

// sendAll sends the events and returns the ids of their messages.
func (d *demo) sendAll(ctx context.Context) ([]string, error) {
	events := []struct{ channel, eventType, payload string }{
		{"steady", "invoice.paid", `{"invoice": "in_1001", "amount": 42.00}`},
		{"steady", "user.created", `{"user": "ada", "plan": "free"}`},
		{"flaky", "invoice.paid", `{"invoice": "in_1002", "amount": 12345678901234567890}`},
	}
	var sent []string
	for _, e := range events {
		var message struct{ ID string }
		in := map[string]any{"eventType": e.eventType, "channels": []string{e.channel}, "payload": json.RawMessage(e.payload)}
		if err := d.client.call(ctx, http.MethodPost, "/app/"+d.app+"/msg", in, &message); err != nil {
			return nil, err
		}
		d.con.printf("Sent %s to the %s receiver: %s.\n", e.eventType, e.channel, message.ID)
		sent = append(sent, message.ID)
	}
	return sent, nil
}

// show prints each event as it arrives and how many attempts that took.
func (d *demo) show(ctx context.Context, sent []string) error {
	verified := map[string]bool{}
	for len(verified) < len(sent) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d events arrived with a valid signature in time", len(verified), len(sent))
		case got := <-d.arrivals:
			id := got.Header.Get("webhook-id")
			d.con.printf("\nArrived at the %s receiver:\n%s", got.at, got.text())
			if got.Verified != nil {
				return fmt.Errorf("%s: %w", id, got.Verified)
			}
			verified[id] = true
		}
	}
	d.con.printf("\n")
	for _, id := range sent {
		if err := d.showAttempts(ctx, id); err != nil {
			return err
		}
	}
	d.con.printf("\nAll %d events arrived, and their signatures are valid.\n", len(sent))
	return nil
}

// showAttempts waits until the successful attempt is recorded, which happens a moment after the receiver has
// answered.
func (d *demo) showAttempts(ctx context.Context, id string) error {
	type attempt struct {
		ID                 string
		StatusText         string
		ResponseStatusCode int
	}
	for {
		var list struct{ Data []attempt }
		if err := d.client.call(ctx, http.MethodGet, "/app/"+d.app+"/attempt/msg/"+id, nil, &list); err != nil {
			return err
		}
		if len(list.Data) > 0 && list.Data[0].StatusText == "success" {
			d.con.printf("%s took %d attempt(s):", id, len(list.Data))
			for _, a := range slices.Backward(list.Data) {
				d.con.printf(" %d %s", a.ResponseStatusCode, a.StatusText)
			}
			d.con.printf("\n")
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: no successful attempt was recorded in time", id)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// apiClient is the minimal API client that the demo needs.
type apiClient struct {
	http       http.Client
	url, token string
}

func (c *apiClient) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, demoBodyMax))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

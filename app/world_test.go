package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
	"github.com/postrider/postrider/store"
)

const testSecret = "a secret that only these tests have"

// A world is the API on a Postgres, and an organisation with one of everything.
type world struct {
	*Instance
	handler http.Handler
	logged  *failures
	org     string
	ids     map[string]string // by placeholder
	tokens  map[bool]string   // true: the application's
}

// newWorld returns the API without its listener, on the test's own database.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{logged: &failures{}}
	config := Config{DatabaseURL: pg.New(tb), JWTSecret: testSecret, JWTAlgorithm: "HS256"}
	w.Instance = &Instance{config: config, component: "serve", log: slog.New(w.logged)}
	tb.Cleanup(w.Stop)
	keys, err := config.keys()
	if err != nil {
		tb.Fatal(err)
	}
	w.Instance.tokens = token.New(keys, time.Now)
	for _, start := range []func(context.Context) error{
		w.startTelemetry, w.openStore,
	} {
		if err := start(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
	w.handler = w.Instance.handler(nil)
	return w
}

var organisations atomic.Int64

// populate creates another organisation with one of everything, so that changes to the previous one do not matter.
func (w *world) populate(tb testing.TB) {
	tb.Helper()
	org := core.OrgID(fmt.Sprintf("org_%d", organisations.Add(1)))
	w.org = string(org)
	token, err := w.Instance.tokens.Org(org, core.OrgTokenLifetime)
	if err != nil {
		tb.Fatal(err)
	}
	w.tokens, w.ids = map[bool]string{false: token}, map[string]string{"{event_type_name}": "a.made"}
	w.make(tb, "/event-type", `{"name":"a.made","description":"","schemas":{"1":{"examples":[{}]}}}`)
	w.ids["{app_id}"] = w.make(tb, "/app", `{"name":"N","uid":"one"}`)
	w.ids["{endpoint_id}"] = w.make(tb, "/app/one/endpoint", `{"url":"https://n.example/","uid":"hook"}`)
	w.ids["{msg_id}"] = w.make(tb, "/app/one/msg", `{"eventType":"a.made","eventId":"order-1","payload":{},"channels":["c"],"tags":["t"]}`)
	w.ids["{watcher}"] = w.make(tb, "/operational-webhook/endpoint", `{"url":"https://n.example/","uid":"ops"}`)
	w.make(tb, "/app/one/endpoint", `{"url":"https://n.example/","uid":"other"}`) // an endpoint runs one task of a kind
	w.ids["{task_id}"] = w.make(tb, "/app/one/endpoint/other/recover", fmt.Sprintf(`{"since":%q}`, time.Now().Add(-time.Hour).Format(time.RFC3339)))
	app := core.AppID(w.ids["{app_id}"])
	grant := core.AppGrant{OrgID: org, AppID: app, IssuedAt: time.Now(), Lifetime: core.AppTokenLifetime}
	if w.tokens[true], err = w.Instance.tokens.App(grant); err != nil {
		tb.Fatal(err)
	}
	w.attempt(tb, app)
}

// make posts something and returns its id.
func (w *world) make(tb testing.TB, path, body string) string {
	tb.Helper()
	answer := w.send(tb, request{"POST", "/api/v1" + path, body, ""})
	var made struct{ ID string }
	if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil || answer.Code/100 != 2 {
		tb.Fatalf("POST %s is answered %d: %s", path, answer.Code, answer.Body)
	}
	return made.ID
}

// attempt records a failed attempt at the message.
func (w *world) attempt(tb testing.TB, app core.AppID) {
	tb.Helper()
	now := time.Now().UTC()
	a := core.Attempt{
		AppID: app, ID: core.NewAttemptID(now), MessageID: core.MessageID(w.ids["{msg_id}"]),
		EndpointID: core.EndpointID(w.ids["{endpoint_id}"]), URL: "https://n.example/", Status: core.StatusFail,
		ResponseStatusCode: 503, CreatedAt: now,
	}
	if _, err := store.NewDeliveryQueue(w.store, core.HealthRules{}).DeliveryRecord(context.Background(), core.Result{Attempt: a, NextAt: now.Add(time.Hour)}); err != nil {
		tb.Fatal(err)
	}
	w.ids["{attempt_id}"] = string(a.ID)
}

// A request is a request to the API. Its target and body contain placeholders for the ids of the world.
type request struct{ method, target, body, key string }

// send sends a request as a client would.
func (w *world) send(tb testing.TB, r request) *httptest.ResponseRecorder {
	tb.Helper()
	sent, err := w.read(r)
	if err != nil {
		tb.Fatal(err)
	}
	sent.Body, sent.ContentLength = http.NoBody, 0
	if body := w.named(r.body); body != "" {
		sent.Body, sent.ContentLength = readCloser{strings.NewReader(body)}, int64(len(body))
	}
	// With its own token no request could log out.
	sent.Header.Set("Authorization", "Bearer "+w.tokens[strings.HasSuffix(r.target, "/auth/logout")])
	if r.key != "" {
		sent.Header.Set("Idempotency-Key", r.key)
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, sent)
	return answer
}

// read returns the request as net/http reads it; an error concerns a request that no handler ever sees.
func (w *world) read(r request) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(strings.NewReader(
		r.method + " " + w.named(r.target) + " HTTP/1.1\r\nHost: postrider.example\r\n\r\n")))
}

func (w *world) named(text string) string {
	for _, placeholder := range slices.Sorted(maps.Keys(w.ids)) {
		text = strings.ReplaceAll(text, placeholder, w.ids[placeholder])
	}
	return text
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// wantNoFailure sends a request and checks that the response is not an internal error.
func (w *world) wantNoFailure(t *testing.T, r request) *httptest.ResponseRecorder {
	t.Helper()
	answer := w.send(t, r)
	if answer.Code >= 500 {
		t.Errorf("%s %.500q with %.500q and key %.100q is answered %d: %s\n%s",
			r.method, r.target, r.body, r.key, answer.Code, answer.Body, w.logged.last())
	}
	text := answer.Body.Bytes()
	isDocs := answer.Header().Get("Content-Type") == "text/html; charset=utf-8"
	if len(text) > 0 && !isDocs && !json.Valid(text) {
		t.Errorf("%s %.500q with %.500q is not answered in JSON: %.1000s", r.method, r.target, r.body, text)
	}
	return answer
}

// wantReadable checks that a stored request causes no failure: neither in reading the stored objects or those above
// and below, nor in the tasks it started, nor in deliveries.
func (w *world) wantReadable(t *testing.T, all []operation, stored request) {
	t.Helper()
	target, _, _ := strings.Cut(stored.target, "?")
	for _, op := range all {
		reads := op.good.method == http.MethodGet && (strings.HasPrefix(op.good.target, target) || strings.HasPrefix(target, op.good.target))
		if reads || op.id == "MessageSendExample" {
			w.wantNoFailure(t, op.good)
		}
	}
	tasks := core.NewTasks(w.store, time.Now)
	for range 20 { // steps of its tasks, and of those left over from others
		if more, err := tasks.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err != nil {
			t.Errorf("after %s %s with %.500q a background task fails: %v", stored.method, stored.target, stored.body, err)
		} else if !more {
			break
		}
	}
	now := time.Now()
	room := core.Room{Total: 100, PerEndpoint: 100, LeasedUntil: now.Add(time.Hour)}
	claim, err := store.NewDeliveryQueue(w.store, core.HealthRules{}).DeliveryClaim(t.Context(), room, core.Queue{}, now)
	if err != nil {
		t.Errorf("deliveries cannot be claimed: %v", err)
	}
	for _, d := range claim.Deliveries {
		if _, err := http.NewRequest(http.MethodPost, d.URL, strings.NewReader(d.Payload)); err != nil {
			t.Errorf("to %q nothing can be sent: %v", d.URL, err)
		}
	}
}

// failures keeps the last log line at level error.
type failures struct{ line atomic.Pointer[string] }

func (f *failures) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (f *failures) WithAttrs([]slog.Attr) slog.Handler               { return f }
func (f *failures) WithGroup(string) slog.Handler                    { return f }

func (f *failures) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	f.line.Store(&line)
	return nil
}

func (f *failures) last() string {
	if line := f.line.Load(); line != nil {
		return *line
	}
	return "nothing was logged"
}

package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// kept is an answer and the time it was stored.
type kept struct {
	core.StoredAnswer
	at time.Time
}

var _ core.Idempotency = (*fake)(nil)

// Once always runs work twice, as after a deadlock. The first run has no effect.
func (f *fake) Once(ctx context.Context, key core.IdempotencyKey, now time.Time,
	work func(context.Context, core.Store) (core.StoredAnswer, error),
) (core.StoredAnswer, error) {
	if k, ok := f.answers[key]; ok && now.Sub(k.at) < core.IdempotencyLifetime {
		return k.StoredAnswer, nil
	}
	_, _ = work(ctx, &fake{broken: errors.New("deadlock detected")})
	f.worked++
	answer, err := work(ctx, f)
	if err == nil && answer.Succeeded() {
		if f.answers == nil {
			f.answers = map[core.IdempotencyKey]kept{}
		}
		stored := answer
		stored.Secret = nil
		f.answers[key] = kept{stored, now}
	}
	return answer, err
}

const someKey = "Idempotency-Key: auto_1b4e28ba-2fa1-11d2-883f-0016d3cca427"

// posts returns the operations that accept an idempotency key, each with a request that succeeds.
func posts(t *testing.T) map[*operation]row {
	t.Helper()
	all := map[*operation]row{}
	for _, op := range operations(t) {
		if op.Method == http.MethodPost && len(op.Security) > 0 && rows[op.OperationID] != nil && !noKeys[op.OperationID] {
			all[op] = rows[op.OperationID][0]
		}
	}
	return all
}

// post sends a row's request with a key.
func (f *fixture) post(t *testing.T, r row, body string) *httptest.ResponseRecorder {
	t.Helper()
	return f.ask(t, http.MethodPost, "/api/v1"+f.named(r.path), f.named(body), someKey)
}

func TestEveryPostIsDoneOnceForAKey(t *testing.T) {
	t.Parallel()
	for op, r := range posts(t) {
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			first := f.post(t, r, r.body)
			wantStatus(t, first, r.status)
			wantContract(t, op, first)
			done := func() int { return f.store.worked + len(f.store.inserted) }
			once := done() // a batch has several messages
			if once == 0 || once > 1 && op.OperationID != "MessageCreateMany" {
				t.Errorf("one request is done %d times", once)
			}
			others := []string{r.body, `{"name":"Another"}`, `{`, ``}
			if ownKeys[op.OperationID] {
				others = others[:1] // these operations read the body before they look at the key
			}
			for _, other := range others {
				again := f.post(t, r, other)
				wantContract(t, op, again)
				if again.Code != first.Code || again.Body.String() != first.Body.String() {
					t.Errorf("first %d %s\nagain %d %s", first.Code, first.Body, again.Code, again.Body)
				}
				if id := again.Header().Get("X-Request-Id"); id == "" || id == first.Header().Get("X-Request-Id") {
					t.Errorf("two requests have the id %q", id)
				}
			}
			if done() != once {
				t.Errorf("all together are done %d times, one alone %d", done(), once)
			}
		})
	}
}

func TestNoPostKeepsAFailure(t *testing.T) {
	t.Parallel()
	for op, r := range posts(t) {
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.store.broken = &core.Error{Kind: core.KindUnavailable, Code: "unavailable"}
			wantStatus(t, f.post(t, r, r.body), 503)
			if failures := f.logged.lines("request failed"); len(failures) != 1 || failures[0]["route"] != "POST "+op.Path {
				t.Errorf("logged %v", failures)
			}
			f.store.broken = nil
			if op.RequestBody != nil {
				wantStatus(t, f.post(t, r, `{`), 422)
			}
			wantStatus(t, f.post(t, r, r.body), r.status)
		})
	}
}

func TestIdempotencyKeysCountForOneClientAndPath(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const app, endpoint = `{"name":"N"}`, `{"url":"https://n.example/"}`
	seen := map[string]string{}
	for _, c := range []struct{ token, path, body string }{
		{"org_a", "/app", app},
		{"org_b", "/app", app},
		{"org_a", "/app?get_if_exists=true", app},
		{"org_a", "/app/one/endpoint", endpoint},
		{"org_a", "/app/two/endpoint", endpoint},
		{"one", "/app/one/endpoint", endpoint},
	} {
		path := "/api/v1" + c.path
		first := f.send(http.MethodPost, path, c.body, "Authorization: Bearer "+f.token(t, c.token), someKey)
		wantStatus(t, first, 201)
		if other := seen[first.Body.String()]; other != "" {
			t.Errorf("%s with %s got the answer of %s", c.path, c.token, other)
		}
		seen[first.Body.String()] = c.path + " with " + c.token
		// The same with another spelling of the path.
		path, query, _ := strings.Cut(path, "?")
		again := f.send(http.MethodPost, strings.Replace(path, "one", "%6fne", 1)+"/?"+query, c.body,
			"Authorization: Bearer "+f.token(t, c.token), someKey)
		if again.Body.String() != first.Body.String() {
			t.Errorf("first %s\nagain %s", first.Body, again.Body)
		}
	}
	// Tokens without permission learn nothing about the stored answer.
	send := func(token string) *httptest.ResponseRecorder {
		return f.send(http.MethodPost, "/api/v1/app/one/endpoint", endpoint, "Authorization: Bearer "+token, someKey)
	}
	wantStatus(t, send(f.token(t, "two")), 404)
	wantStatus(t, send(f.tokenThat(t, []core.Capability{core.CapabilityViewBase})), 403)
}

func TestIdempotencyKeysMayBeAnythingAHeaderHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	send := func(headers ...string) string {
		w := f.ask(t, http.MethodPost, "/api/v1/app", `{"name":"N"}`, headers...)
		wantStatus(t, w, 201)
		return w.Body.String()
	}
	seen := map[string]bool{}
	for _, key := range []string{"a", "A", "a,b", "100%zz", "\xff\xfe", "é", strings.Repeat("a", 1024)} {
		first := send("Idempotency-Key: " + key)
		if seen[first] || send("idempotency-key: "+key) != first {
			t.Errorf("%q found the answer of another key, or not its own", key)
		}
		seen[first] = true
	}
	for range 2 {
		for _, none := range [][]string{nil, {"Idempotency-Key: "}} {
			if answer := send(none...); seen[answer] {
				t.Errorf("%q is no key, and found %s", none, answer)
			} else {
				seen[answer] = true
			}
		}
	}
	for _, headers := range [][]string{
		{"Idempotency-Key: " + strings.Repeat("a", 1025)},
		{"Idempotency-Key: a", "Idempotency-Key: b"},
	} {
		wantStatus(t, f.ask(t, http.MethodPost, "/api/v1/app", `{"name":"N"}`, headers...), 422, `"loc":["header","idempotency-key"]`)
	}
	long := f.ask(t, http.MethodPost, "/api/v1/app", strings.Repeat("x", bodyBytesMax+1), someKey)
	wantStatus(t, long, 413, `"code":"payload_too_large"`)
}

func TestIdempotencyKeysAreForgotten(t *testing.T) {
	t.Parallel()
	now := testNow
	f := newFixture(t, func(p *parts) { p.clock = func() time.Time { return now } })
	send := func() string {
		return f.ask(t, http.MethodPost, "/api/v1/app", `{"name":"N"}`, someKey).Body.String()
	}
	first := send()
	now = now.Add(core.IdempotencyLifetime - time.Microsecond)
	if again := send(); again != first {
		t.Errorf("first %s\nagain %s", first, again)
	}
	now = now.Add(time.Microsecond)
	if later := send(); later == first {
		t.Error("after 12 hours the answer is still the same")
	}
}

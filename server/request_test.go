package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/none", "/api", "/api/v1", "/api/v1/none", "/api/v1/app/one/none", "/api/v1/app/one/msg/order-1/none",
		"/api/v1//app", "/api/v1/app//msg", "/api/v1/app/../app", "/api/v1/app/./one", "/api/v1/app/%ff", "//",
	} {
		w := newFixture(t).ask(t, "GET", path, "")
		if path == "//" {
			wantStatus(t, w, 307)
			continue
		}
		wantStatus(t, w, 404, `"code":"not_found"`)
		wantJSON(t, w)
	}
}

func TestNamesInPathsMayBeEscaped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.apps[0].UID = new("..")
	wantStatus(t, f.ask(t, "GET", "/api/v1/app/%2E%2E/", ""), 200, `"name":"Ours"`)
	wantStatus(t, f.ask(t, "GET", "/api/v1/app/a%2Fb", ""), 404, `There is no application \"a/b\".`)
}

func TestWrongMethods(t *testing.T) {
	t.Parallel()
	for path, allow := range map[string]string{
		"/":                               "GET, HEAD, OPTIONS",
		"/docs":                           "GET, HEAD, OPTIONS",
		"/api/v1/app":                     "GET, HEAD, OPTIONS, POST",
		"/api/v1/app/one":                 "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
		"/api/v1/app/one/endpoint/e":      "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
		"/api/v1/app/one/attempt/msg/one": "GET, HEAD, OPTIONS",
		"/api/v1/health":                  "GET, HEAD, OPTIONS",
	} {
		w := newFixture(t).send("TRACE", path, "")
		wantStatus(t, w, 405, `"code":"method_not_allowed"`)
		wantJSON(t, w)
		if got := w.Header().Get("Allow"); got != allow {
			t.Errorf("%s: Allow = %q, want %q", path, got, allow)
		}
	}
}

func TestTrailingSlashes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/docs/", "/api/v1/openapi.json/", "/api/v1/app/", "/api/v1/app//", "/api/v1/app/one/msg/?limit=1"} {
		wantStatus(t, newFixture(t).ask(t, "GET", path, ""), 200)
	}
	wantStatus(t, newFixture(t).ask(t, "POST", "/api/v1/app/one/msg/", `{"eventType":"n","payload":{}}`), 202)
}

func TestRootLeadsToTheDocs(t *testing.T) {
	t.Parallel()
	w := newFixture(t).send("GET", "/", "")
	if w.Code != 307 || w.Header().Get("Location") != "/docs" {
		t.Errorf("%d to %q, want 307 to /docs", w.Code, w.Header().Get("Location"))
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := f.send("OPTIONS", "/api/v1/app/one", "", "Origin: https://a.example",
		"Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: authorization,x-any")
	wantStatus(t, w, 204)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":  "*",
		"Access-Control-Allow-Methods": "*",
		"Access-Control-Allow-Headers": "authorization,x-any",
		"Access-Control-Max-Age":       "600",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, w := range []*httptest.ResponseRecorder{
		f.ask(t, "GET", "/api/v1/app", ""), f.send("GET", "/api/v1/app", ""), f.send("GET", "/none", ""),
	} {
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%d: Access-Control-Allow-Origin = %q, want *", w.Code, got)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, header, want string // want is empty if the id is one of ours
	}{
		{"an SDK's", "Svix-Req-Id: 1234", "1234"},
		{"a proxy's", "X-Request-Id: a-b_C.1", "a-b_C.1"},
		{"none", "X-Other: 1", ""},
		{"a line break", "X-Request-Id: a\nb", ""},
		{"too long", "X-Request-Id: " + strings.Repeat("a", 129), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			got := f.send("GET", "/api/v1/app", "", test.header).Header().Get("X-Request-Id")
			if test.want != "" && got != test.want || got == "" || strings.ContainsAny(got, "\n ") || len(got) > 128 {
				t.Errorf("id = %q, want %q", got, test.want)
			}
			if line := f.logged.lines("request answered")[0]; line["request_id"] != got {
				t.Errorf("logged %v, answered %s", line, got)
			}
		})
	}
}

func TestAccessLogHoldsNothingOfTheClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ask(t, "POST", "/api/v1/app/one/msg?secretquery=1", `{"eventType":"n","payload":{"secretbody":1}}`, "Idempotency-Key: secretkey")
	lines := f.logged.lines("request answered")
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	for key, want := range map[string]any{
		"level": slog.LevelDebug, "method": "POST", "route": "POST /api/v1/app/{app_id}/msg", "status": int64(202), "org_id": "org_a",
	} {
		if lines[0][key] != want {
			t.Errorf("%s = %v, want %v", key, lines[0][key], want)
		}
	}
	text, err := json.Marshal(lines)
	if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "eyJ") {
		t.Errorf("logged %s, %v", text, err)
	}
	if len(lines[0]) != 7 {
		t.Errorf("logged %s", text)
	}
}

func TestAccessLogSaysWhyARequestWasRefused(t *testing.T) {
	t.Parallel()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, test := range map[string]struct {
		path, body, code, reason string
	}{
		"not found": {"/api/v1/app/none/endpoint", `{"url":"https://example.com"}`, "not_found", "There is no application none."},
		"invalid":   {"/api/v1/app", `{"name":7}`, "validation_error", "body.name: "},
		"no token":  {"/api/v1/app", `{}`, "authentication_failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			ask := f.ask
			if test.code == "authentication_failed" {
				ask = func(_ *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
					return f.send(method, path, body, append(headers, "Authorization: Bearer secrettoken")...)
				}
			}
			ask(t, "POST", test.path, test.body, "Traceparent: 00-"+trace+"-00f067aa0ba902b7-01")
			line := f.logged.lines("request answered")[0]
			reason, _ := line["reason"].(string)
			if line["error_code"] != test.code || !strings.HasPrefix(reason, test.reason) || line["trace_id"] != trace {
				t.Errorf("logged %v, want %s: %s", line, test.code, test.reason)
			}
		})
	}
}

// TestAccessLogHoldsNoSecretsOfRefusedRequests: errors quote what is wrong, but no token, secret, header or payload.
func TestAccessLogHoldsNoSecretsOfRefusedRequests(t *testing.T) {
	t.Parallel()
	for path, bodies := range map[string][]string{
		"/api/v1/app/one/endpoint": {
			`{"url":"https://u:marked@example.com:x"}`, `{"url":"ftp://u:marked@example.com"}`, `{"url":"https://example.com","secret":"marked"}`,
			`{"url":"https://example.com","secret":"whsec_marked"}`, `{"url":"https://example.com","headers":{"X-Key":"marked\n"}}`,
			`{"url":"https://example.com","headers":{"X-Key":["marked"]}}`, `{"url":"https://example.com","headers":"marked"}`,
		},
		"/api/v1/app/one/msg": {
			`{"eventType":"a","payload":"marked"}`, `{"eventType":"a","payload":{"a":marked}}`, `{"eventType":"a","payload":["marked"]}`,
			`{"eventType":"a","payload":{"marked":1,"marked":2},"channels":[]}`,
		},
		"/api/v1/app/one/endpoint/ep_1/secret/rotate": {`{"key":"marked"}`, `{"key":"whsec_marked"}`, `{"key":["marked"]}`},
	} {
		for _, body := range bodies {
			t.Run(body, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				w := f.ask(t, "POST", path, body)
				text := fmt.Sprint(f.logged.lines("request answered"))
				if w.Code < 400 || w.Code >= 500 || strings.Contains(text, "marked") {
					t.Errorf("status %d, logged %s", w.Code, text)
				}
			})
		}
	}
}

// trusting is a store that has no revocations and implements nothing else.
type trusting struct{ core.Store }

func (trusting) TokenRevocationExists(context.Context, core.Token, time.Time) (bool, error) {
	return false, nil
}

// panicking is a store that panics.
type panicking struct{ trusting }

func TestPanicsAreAnsweredAndLoggedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(p *parts) { p.store = panicking{} })
	w := f.ask(t, "GET", "/api/v1/app/one", "", "Svix-Req-Id: 77")
	wantStatus(t, w, 500, `"code":"server_error"`, "Request id: 77")
	wantJSON(t, w)
	lines := f.logged.lines("request panicked")
	if len(lines) != 1 || lines[0]["request_id"] != "77" || !strings.Contains(lines[0]["stack"].(string), "ApplicationGet") {
		t.Errorf("logged %v", lines)
	}
	if access := f.logged.lines("request answered"); len(access) != 1 || access[0]["status"] != int64(500) {
		t.Errorf("logged %v", access)
	}
}

// TestPanicsInTheMiddleOfAnAnswerBreakItOff checks that a partial answer does not look like a complete one.
func TestPanicsInTheMiddleOfAnAnswerBreakItOff(t *testing.T) {
	t.Parallel()
	s := &server{log: slog.New(slog.DiscardHandler)}
	defer func() {
		if cause, _ := recover().(error); !errors.Is(cause, http.ErrAbortHandler) {
			t.Errorf("panic = %v, want http.ErrAbortHandler", cause)
		}
	}()
	a := &answer{ResponseWriter: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, &call{}))
	defer func() { s.recovered(a, r, recover()) }()
	_, _ = a.Write([]byte("half"))
	panic("late")
}

func TestErrorsAfterTheAnswerBeganAreNotWrittenIntoIt(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	a := &answer{ResponseWriter: w}
	writeJSON(a, http.StatusOK, "first")
	writeJSON(a, http.StatusInternalServerError, "second")
	if w.Code != http.StatusOK || w.Body.String() != `"first"` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// slow is a store that takes as long as its context allows.
type slow struct{ trusting }

func (slow) ApplicationGet(ctx context.Context, _ core.OrgID, _ string) (core.Application, error) {
	<-ctx.Done()
	return core.Application{}, ctx.Err()
}

func TestRequestsTimeOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(p *parts) { p.store, p.RequestTimeout = slow{}, time.Millisecond })
	w := f.ask(t, "GET", "/api/v1/app/one", "")
	wantStatus(t, w, 503, `"code":"unavailable"`)
	if wait := w.Header().Get("Retry-After"); wait != "1" {
		t.Errorf("Retry-After: %q", wait)
	}
	if lines := f.logged.lines("request failed"); len(lines) != 1 || lines[0]["level"] != slog.LevelError {
		t.Errorf("logged %v", lines)
	}
}

func TestClientsThatHangUpAreNoErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(p *parts) { p.store = slow{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/app/one", nil)
	r.Header.Set("Authorization", "Bearer "+f.token(t, "org_a"))
	f.ServeHTTP(httptest.NewRecorder(), r)
	if lines := f.logged.lines("request failed"); len(lines) != 1 || lines[0]["level"] != slog.LevelDebug {
		t.Errorf("logged %v", lines)
	}
}

func TestHealthTellsThatTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.broken = errors.New("hidden")
	w := f.send("GET", "/api/v1/health", "")
	wantStatus(t, w, 500, `{"cache":{"status":"error"},"database":{"status":"error"},"queue":{"status":"error"}}`)
	wantStatus(t, f.send("GET", "/api/v1/health/ping", ""), 204)
}

func TestEveryKindOfErrorHasAStatus(t *testing.T) {
	t.Parallel()
	for kind := core.KindInternal; kind <= core.KindUnavailable; kind++ {
		if statuses[kind] < 400 {
			t.Errorf("kind %d has the status %d", kind, statuses[kind])
		}
	}
}

func wantJSON(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/json" || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%d is not JSON: %q: %s", w.Code, got, w.Body)
	}
}

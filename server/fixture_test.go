package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/delivery"
	"github.com/postrider/postrider/server/token"
)

const testSecret = "a secret that only these tests have"

var testNow = time.Date(2026, 1, 31, 9, 30, 0, 123_456_000, time.UTC)

// A fixture is a server with a fake store. In it the organisation org_a has two applications, one and two, and
// application one has two endpoints, a message and an attempt.
type fixture struct {
	http.Handler
	store  *fake
	tokens *token.Authority
	logged *logged
	ids    struct {
		app, other core.AppID
		endpoint   core.EndpointID
		watcher    core.EndpointID // for operational webhooks
		message    core.MessageID
		attempt    core.AttemptID
	}
}

// newTokens returns the authority whose tokens are signed with the secret of these tests.
func newTokens(tb testing.TB, clock func() time.Time) *token.Authority {
	tb.Helper()
	key, err := token.ParseKey("HS256", testSecret)
	if err != nil {
		tb.Fatal(err)
	}
	return token.New(token.Keys{key}, clock)
}

const goodOrg = `{"sub":"org_a"}`

// forge signs claims as we would.
func forge(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// claimsOf decodes a token's claims.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// parts is what a fixture consists of: its configuration, and the ports of its use cases.
type parts struct {
	Config
	store    core.Store
	inserter core.MessageInserter
	maker    core.TokenMaker
	clock    func() time.Time
	rules    core.EndpointRules
}

// newFixture returns a fixture. Each change function may change its parts.
func newFixture(t *testing.T, change ...func(*parts)) *fixture {
	t.Helper()
	clock := func() time.Time { return testNow }
	f := &fixture{store: &fake{}, tokens: newTokens(t, clock), logged: &logged{}}
	f.seed()
	p := parts{
		Config: Config{Keys: f.store, Tokens: f.tokens, Log: slog.New(f.logged)},
		store:  f.store, inserter: inserter{f.store}, maker: f.tokens, clock: clock,
		rules: core.EndpointRules{DomainToASCII: delivery.DomainToASCII},
	}
	for _, change := range change {
		change(&p)
	}
	p.Service = core.NewService(p.store, p.inserter, p.maker, p.clock, p.rules)
	f.Handler = New(p.Config)
	return f
}

func (f *fixture) seed() {
	ids := &f.ids
	ids.app, ids.other = core.NewAppID(testNow.Add(-time.Hour)), core.NewAppID(testNow)
	ids.endpoint, ids.message, ids.attempt = core.NewEndpointID(testNow), core.NewMessageID(testNow), core.NewAttemptID(testNow)
	s := f.store
	s.apps = []core.Application{
		{OrgID: "org_a", ID: ids.app, UID: new("one"), Name: "Ours", ThrottleRate: new(int32(7)),
			Metadata: core.Metadata{"k": "v"}, CreatedAt: testNow, UpdatedAt: testNow},
		{OrgID: "org_a", ID: ids.other, UID: new("two"), Name: "Ours too", Metadata: core.Metadata{}, CreatedAt: testNow, UpdatedAt: testNow},
	}
	s.types = []core.EventType{
		{OrgID: "org_a", Name: "a.made", Description: "Ours", Schemas: json.RawMessage(`{"1":{}}`), CreatedAt: testNow, UpdatedAt: testNow},
		{OrgID: "org_a", Name: "b.secret", Schemas: json.RawMessage(`{"1":{"examples":[{"n": 1},{"n": 2}]}}`), FeatureFlags: []string{"beta"}, CreatedAt: testNow, UpdatedAt: testNow},
	}
	s.endpoints = []core.Endpoint{{
		AppID: ids.app, ID: ids.endpoint, UID: new("hook"), URL: "https://ours.example/", Description: "Ours", Version: 1,
		ThrottleRate: new(int32(5)), EventTypes: []string{"a.made"}, Channels: []string{"c"},
		Secret: core.HMACSecret([]byte("123456789012345678901234")), Metadata: core.Metadata{},
		Headers:   core.Headers{"X-Team": "Ours", "Authorization": "Bearer hidden", "x-api-Key": "hidden"},
		CreatedAt: testNow, UpdatedAt: testNow,
	}}
	second := s.endpoints[0]
	second.ID, second.UID = core.NewEndpointID(testNow.Add(-time.Second)), new("second")
	off := s.endpoints[0]
	off.ID, off.UID, off.Disabled = core.NewEndpointID(testNow.Add(-2*time.Second)), new("off"), true
	s.endpoints = append(s.endpoints, second, off)
	f.seedOperational(second)
	s.messages = []core.Message{{
		AppID: ids.app, ID: ids.message, EventID: new("order-1"), EventType: "a.made", Payload: new(oddPayload),
		ExpiresAt: testNow.Add(time.Hour), CreatedAt: testNow,
	}}
	s.attempts = []core.Attempt{{
		AppID: ids.app, ID: ids.attempt, MessageID: ids.message, EndpointID: ids.endpoint, URL: "https://ours.example/",
		Status: core.StatusFail, ResponseStatusCode: 503, Response: "Ours", DurationMS: 12, Trigger: core.TriggerManual, CreatedAt: testNow,
	}}
	s.tasks = seedTasks(ids.app, second.ID)
}

// operationalOrg is the organisation under which operational-webhook endpoints are stored. Changing it would lose
// them.
const operationalOrg = "org_00000000000OperationalWebhook"

func (f *fixture) seedOperational(e core.Endpoint) {
	s, app := f.store, core.NewAppID(testNow)
	f.ids.watcher = core.NewEndpointID(testNow)
	e.AppID, e.ID, e.UID, e.EventTypes = app, f.ids.watcher, new("ops"), []string{"endpoint.disabled"}
	e.Channels, e.Headers = nil, core.Headers{"X-Team": "Ours"}
	s.apps = append(s.apps, core.Application{OrgID: operationalOrg, ID: app, UID: new("org_a"), Name: "org_a", CreatedAt: testNow, UpdatedAt: testNow})
	s.endpoints = append(s.endpoints, e)
}

// token returns a token of an organisation, or of the application one or two of org_a.
func (f *fixture) token(t *testing.T, of string, featureFlags ...string) string {
	t.Helper()
	var token string
	var err error
	switch of {
	case "one":
		token, err = f.tokens.App(f.grant(f.ids.app, featureFlags))
	case "two":
		token, err = f.tokens.App(f.grant(f.ids.other, featureFlags))
	default:
		token, err = f.tokens.Org(core.OrgID(of), core.OrgTokenLifetime)
	}
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (f *fixture) grant(app core.AppID, featureFlags []string) core.AppGrant {
	return core.AppGrant{
		OrgID: "org_a", AppID: app, FeatureFlags: featureFlags, IssuedAt: testNow, Lifetime: core.AppTokenLifetime,
	}
}

// send sends a request, with "Name: value" headers.
func (f *fixture) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// ask is send with org_a's token.
func (f *fixture) ask(t *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return f.send(method, path, body, append(headers, "Authorization: Bearer "+f.token(t, "org_a"))...)
}

// wantStatus checks the answer's status, and that its body contains the texts.
func wantStatus(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status = %d, want %d: %s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("body = %s, want it to hold %s", w.Body, text)
		}
	}
}

// logged is a log that tests can read.
type logged struct {
	mu      sync.Mutex
	records []slog.Record
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	return nil
}

// lines returns the log records with a message, as maps.
func (l *logged) lines(message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for _, r := range l.records {
		if r.Message != message {
			continue
		}
		line := map[string]any{"level": r.Level}
		r.Attrs(func(a slog.Attr) bool { line[a.Key] = a.Value.Any(); return true })
		lines = append(lines, line)
	}
	return lines
}

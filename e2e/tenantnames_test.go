package e2e

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// id is that of an application's, or else of an organisation's, thing.
func (ts *tenants) id(name, kind string) string {
	b := ts.named(name)
	n := slices.IndexFunc(ts.things, func(th thing) bool {
		return th.kind == kind && th.org == b.org && th.app == b.app && th.refs[0] != sharedType
	})
	return ts.things[n].refs[0]
}

// TestNamesBesideThePathAreTheTenantsOwn is about bodies and queries that name things of others.
func TestNamesBesideThePathAreTheTenantsOwn(t *testing.T) {
	t.Parallel()
	s := shared(t)
	m := &matrix{tenants: newTenants(t, s), operations: s.contract(t)}
	m.before = m.snapshot(t, "A", "B")
	a1, a2, b1 := m.id("a1", "app_id"), m.id("a2", "app_id"), m.id("b1", "app_id")
	ofA2, ofB1 := m.id("a2", "msg_id"), m.id("b1", "msg_id")
	endpoint, typeOfB := m.id("a1", "endpoint_id"), m.id("B", "event_type_name")
	attempts := []string{"/app/" + a1 + "/attempt/msg/" + sharedEvent, "/app/" + a1 + "/msg/" + sharedEvent + "/attempt"}
	const period = `"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"`
	for _, test := range []struct {
		bearer, method, path, body string
		status                     int
		want                       string
	}{
		{"A", "POST", "/app/" + a1 + "/msg/bulk-expunge", `{"ids":["` + ofA2 + `","` + ofB1 + `"]}`, 200,
			`{"results":{"` + ofA2 + `":"not-found","` + ofB1 + `":"not-found"}}`},
		{"A", "GET", attempts[0] + "?endpoint_id=" + m.id("a2", "endpoint_id"), "", 404, "not_found"},
		{"A", "GET", attempts[0] + "?endpoint_id=" + m.id("b1", "endpoint_id"), "", 404, "not_found"},
		{"a1", "GET", attempts[0] + "?endpoint_id=" + m.id("a2", "endpoint_id"), "", 404, "not_found"},
		{"a1", "GET", attempts[1] + "?endpoint_id=" + m.id("a2", "endpoint_id"), "", 404, "not_found"},
		{"a1", "GET", attempts[1] + "?endpoint_id=" + endpoint, "", 200, m.id("a1", "attempt_id")},
		{"A", "POST", "/stats/usage/app", `{` + period + `,"appIds":["` + b1 + `"]}`, 422, "appIds"},
		{"A", "POST", "/app/" + a1 + "/endpoint", `{"url":"https://example.com/","eventTypes":["` + typeOfB + `"]}`, 422, "eventTypes"},
		{"a1", "PATCH", "/app/" + a1 + "/endpoint/" + endpoint, `{"eventTypes":["` + typeOfB + `"]}`, 422, "eventTypes"},
		{"A", "POST", "/app/" + a1 + "/endpoint/" + endpoint + "/send-example", `{"eventType":"` + typeOfB + `"}`, 404, "not_found"},
		{"A", "POST", "/app/" + a2 + "/msg", `{"eventType":"a","payload":{},"eventId":"` + sharedEvent + `"}`, 409, "conflict"},
	} {
		r := m.send(t, m.named(test.bearer), test.method, "/api/v1"+test.path, test.body)
		if r.status != test.status || !strings.Contains(string(r.body), test.want) {
			t.Errorf("%s: %s %s %s: status %d, want %d and %s: %s", test.bearer, test.method, test.path, test.body, r.status, test.status, test.want, r.body)
		}
	}
	m.unchanged(t, "A", "B")
}

// TestAUIDMakesAnApplicationOfOnesOwn, whoever else has one that is called so.
func TestAUIDMakesAnApplicationOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := shared(t)
	m := &matrix{tenants: newTenants(t, s), operations: s.contract(t)}
	m.before = m.snapshot(t, "A")
	const body = `{"application":{"name":"B's own","uid":"second"},"eventType":"a","payload":{}}`
	b := m.named("B")
	for status, call := range map[int][2]string{
		202: {"/api/v1/app/second/msg", body},
		200: {"/api/v1/auth/app-portal-access/second", body},
		201: {"/api/v1/app?get_if_exists=true", `{"name":"B's own","uid":"second"}`},
	} {
		if r := m.send(t, b, http.MethodPost, call[0], call[1]); r.status != status {
			t.Errorf("%s: status %d, want %d: %s", call[0], r.status, status, r.body)
		}
		if got := m.send(t, b, http.MethodGet, "/api/v1/app/second", ""); !strings.Contains(string(got.body), "B's own") {
			t.Errorf("after %s it is %s", call[0], got.body)
		}
		done(t, b.Application.Delete(t.Context(), "second"))
	}
	m.unchanged(t, "A")
}

// TestUsageIsCountedForOnesOwnApplications: a task counts what its organisation has, and nothing that
// somebody named in the request.
func TestUsageIsCountedForOnesOwnApplications(t *testing.T) {
	t.Parallel()
	ts := newTenants(t, shared(t))
	a, b1 := ts.named("A"), ts.id("b1", "app_id")
	for _, apps := range [][]string{nil, {sharedApp, b1}} {
		in := svix.AppUsageStatsIn{Since: time.Now().Add(-time.Hour), Until: time.Now(), AppIds: apps}
		task := must(a.Statistics.AggregateAppStats(t.Context(), in, nil))(t)
		a.finished(t, task.Id)
		r := ts.send(t, a, http.MethodGet, "/api/v1/background-task/"+task.Id, "")
		if !strings.Contains(string(r.body), ts.id("a1", "app_id")) || len(task.UnresolvedAppIds) != len(apps)/2 {
			t.Errorf("of %q: %+v, %s", apps, task, r.body)
		}
	}
}

var madeID = regexp.MustCompile(`\b(app|ep|msg|atmpt|qtask)_[0-9A-Za-z]{27}\b`)

// TestKeysOfTenantsAreTheirOwn makes every POST in both organisations, at the same URL and with the
// same body and key. What the second one answers is not what the first one did.
func TestKeysOfTenantsAreTheirOwn(t *testing.T) {
	t.Parallel()
	s := shared(t)
	ts, bodies := newTenants(t, s), requestBodies()
	shared := map[string]string{"app_id": sharedApp, "endpoint_id": sharedEndpoint, "msg_id": sharedEvent, watcher: sharedWatcher}
	for _, op := range inOrder(s.contract(t)) {
		if op.method != http.MethodPost || !op.org {
			continue
		}
		var refs []string
		for _, kind := range op.params {
			refs = append(refs, shared[kind])
		}
		body := bodies[op.id]
		first := ts.send(t, ts.named("A"), op.method, op.at(refs), body, "Idempotency-Key: "+op.id)
		second := ts.send(t, ts.named("B"), op.method, op.at(refs), body, "Idempotency-Key: "+op.id)
		if first.status < 200 || first.status > 299 || second.status != first.status {
			t.Errorf("%s: status %d, then %d: %s, then %s", op.id, first.status, second.status, first.body, second.body)
		}
		for _, id := range madeID.FindAllString(string(first.body), -1) {
			if strings.Contains(string(second.body), id) {
				t.Errorf("%s: both were answered with %s", op.id, id)
			}
		}
	}
	ts.receivedNothingForeign(t)
}

package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestTenantNamesBesidePathAreItsOwn covers bodies and queries that name other tenants' things.
func TestTenantNamesBesidePathAreItsOwn(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	m := &matrix{Tenants: rig.NewTenants(t, s), operations: s.Operations(t)}
	m.before = m.snapshot(t, "A", "B")
	a1, a2, b1 := m.ThingID("a1", "app_id"), m.ThingID("a2", "app_id"), m.ThingID("b1", "app_id")
	ofA2, ofB1 := m.ThingID("a2", "msg_id"), m.ThingID("b1", "msg_id")
	endpoint, typeOfB := m.ThingID("a1", "endpoint_id"), m.ThingID("B", "event_type_name")
	attempts := []string{"/app/" + a1 + "/attempt/msg/" + rig.SharedEvent, "/app/" + a1 + "/msg/" + rig.SharedEvent + "/attempt"}
	const period = `"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"`
	for _, test := range []struct { //nolint:paralleltest // What all of them did is looked at in the end.
		bearer, method, path, body string
		status                     int
		want                       string
	}{
		{"A", "POST", "/app/" + a1 + "/msg/bulk-expunge", `{"ids":["` + ofA2 + `","` + ofB1 + `"]}`, 200,
			`{"results":{"` + ofA2 + `":"not-found","` + ofB1 + `":"not-found"}}`},
		{"A", "GET", attempts[0] + "?endpoint_id=" + m.ThingID("a2", "endpoint_id"), "", 404, "not_found"},
		{"A", "GET", attempts[0] + "?endpoint_id=" + m.ThingID("b1", "endpoint_id"), "", 404, "not_found"},
		{"a1", "GET", attempts[0] + "?endpoint_id=" + m.ThingID("a2", "endpoint_id"), "", 404, "not_found"},
		{"a1", "GET", attempts[1] + "?endpoint_id=" + m.ThingID("a2", "endpoint_id"), "", 404, "not_found"},
		{"a1", "GET", attempts[1] + "?endpoint_id=" + endpoint, "", 200, m.ThingID("a1", "attempt_id")},
		{"A", "POST", "/stats/usage/app", `{` + period + `,"appIds":["` + b1 + `"]}`, 422, "appIds"},
		{"A", "POST", "/app/" + a1 + "/endpoint", `{"url":"https://example.com/","eventTypes":["` + typeOfB + `"]}`, 422, "eventTypes"},
		{"a1", "PATCH", "/app/" + a1 + "/endpoint/" + endpoint, `{"eventTypes":["` + typeOfB + `"]}`, 422, "eventTypes"},
		{"A", "POST", "/app/" + a1 + "/endpoint/" + endpoint + "/send-example", `{"eventType":"` + typeOfB + `"}`, 404, "not_found"},
		{"A", "POST", "/app/" + a2 + "/msg", `{"eventType":"a","payload":{},"eventId":"` + rig.SharedEvent + `"}`, 409, "conflict"},
	} {
		t.Run(test.bearer+" "+test.method+" "+test.path, func(t *testing.T) {
			r := m.Send(t, m.Named(test.bearer), test.method, "/api/v1"+test.path, test.body)
			if r.Status != test.status || !strings.Contains(string(r.Body), test.want) {
				t.Errorf("%s: %s %s %s: status %d, want %d and %s: %s", test.bearer, test.method, test.path, test.body, r.Status, test.status, test.want, r.Body)
			}
		})
	}
	m.unchanged(t, "A", "B")
}

// TestTenantUIDCreatesOwnApplication checks that a tenant can use a uid that another tenant already has.
func TestTenantUIDCreatesOwnApplication(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	m := &matrix{Tenants: rig.NewTenants(t, s), operations: s.Operations(t)}
	m.before = m.snapshot(t, "A")
	const body = `{"application":{"name":"B's own","uid":"second"},"eventType":"a","payload":{}}`
	b := m.Named("B")
	for status, call := range map[int][2]string{
		202: {"/api/v1/app/second/msg", body},
		200: {"/api/v1/auth/app-portal-access/second", body},
		201: {"/api/v1/app?get_if_exists=true", `{"name":"B's own","uid":"second"}`},
	} {
		if r := m.Send(t, b, http.MethodPost, call[0], call[1]); r.Status != status {
			t.Errorf("%s: status %d, want %d: %s", call[0], r.Status, status, r.Body)
		}
		if got := m.Send(t, b, http.MethodGet, "/api/v1/app/second", ""); !strings.Contains(string(got.Body), "B's own") {
			t.Errorf("after %s it is %s", call[0], got.Body)
		}
		rig.NoError(t, b.Application.Delete(t.Context(), "second"))
	}
	m.unchanged(t, "A")
}

// TestTenantUsageCountsOwnApplications checks that a task counts what its organisation has, and nothing else that the
// request names.
func TestTenantUsageCountsOwnApplications(t *testing.T) {
	t.Parallel()
	ts := rig.NewTenants(t, rig.Shared(t))
	a, b1 := ts.Named("A"), ts.ThingID("b1", "app_id")
	for _, apps := range [][]string{nil, {rig.SharedApp, b1}} {
		in := svix.AppUsageStatsIn{Since: time.Now().Add(-time.Hour), Until: time.Now(), AppIds: apps}
		task := rig.Must(a.Statistics.AggregateAppStats(t.Context(), in, nil))(t)
		a.AwaitTask(t, task.Id)
		r := ts.Send(t, a, http.MethodGet, "/api/v1/background-task/"+task.Id, "")
		if !strings.Contains(string(r.Body), ts.ThingID("a1", "app_id")) || len(task.UnresolvedAppIds) != len(apps)/2 {
			t.Errorf("of %q: %+v, %s", apps, task, r.Body)
		}
	}
}

var madeID = regexp.MustCompile(`\b(app|ep|msg|atmpt|qtask)_[0-9A-Za-z]{27}\b`)

// TestTenantIdempotencyKeysAreItsOwn makes every POST in both organisations, at the same URL and with the same body
// and key. The second organisation must not get the first one's answer.
func TestTenantIdempotencyKeysAreItsOwn(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	ts, bodies := rig.NewTenants(t, s), requestBodies()
	shared := map[string]string{"app_id": rig.SharedApp, "endpoint_id": rig.SharedEndpoint, "msg_id": rig.SharedEvent, rig.WatcherKind: rig.SharedWatcher}
	for _, op := range inOrder(s.Operations(t)) {
		if op.Method != http.MethodPost || !op.Org {
			continue
		}
		var refs []string
		for _, kind := range op.Params {
			refs = append(refs, shared[kind])
		}
		body := bodies[op.ID]
		first := ts.Send(t, ts.Named("A"), op.Method, op.At(refs), body, "Idempotency-Key: "+op.ID)
		second := ts.Send(t, ts.Named("B"), op.Method, op.At(refs), body, "Idempotency-Key: "+op.ID)
		if first.Status < 200 || first.Status > 299 || second.Status != first.Status {
			t.Errorf("%s: status %d, then %d: %s, then %s", op.ID, first.Status, second.Status, first.Body, second.Body)
		}
		for _, id := range madeID.FindAllString(string(first.Body), -1) {
			if strings.Contains(string(second.Body), id) {
				t.Errorf("%s: both were answered with %s", op.ID, id)
			}
		}
	}
	ts.WantReceivedNothingForeign(t)
}

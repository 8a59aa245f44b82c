package server

import (
	"net/http"
	"slices"
	"testing"
)

// A path with dot segments must neither act on the entity that the cleaned path names nor redirect to it.
func TestDotSegmentsReachNothingElse(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/app/one/endpoint/..", "/app/one/endpoint/../", "/app/one/endpoint/.", "/app/one/endpoint/hook/..",
		"/app/one/endpoint/%2e%2e", "/app/one/endpoint/%2E", "/app/one/endpoint/.%2e/", "/app/one/endpoint/%2e./",
		"/app/one/endpoint/..%2f", "/app/one/endpoint/..%2Fhook", "/event-type/a.made/..", "/event-type/%2e%2e",
		"/operational-webhook/endpoint/%2e%2e", "/app/.", "/app/%2e", "/app/./one", "/app/one/msg/order-1/../../../one",
	} {
		for _, method := range []string{http.MethodDelete, http.MethodPatch, http.MethodGet} {
			f := newFixture(t)
			before := f.store.of("org_a")
			w := f.ask(t, method, "/api/v1"+path, "{}")
			if !slices.Contains([]int{404, 405}, w.Code) || w.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d to %q", method, path, w.Code, w.Header().Get("Location"))
			}
			wantJSON(t, w)
			if f.store.of("org_a") != before {
				t.Errorf("%s %s changed something", method, path)
			}
		}
	}
}

// Rows that an earlier release stored under such a name are reached by their id. An event type, which has no id, is
// reached by its escaped name. Such rows can be changed and deleted, and keep the name until it is changed.
func TestStoredDotNamesCanBeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.apps[0].UID, f.store.endpoints[0].UID, f.store.types[0].Name = new(".."), new(".."), ".."
	app := "/api/v1/app/" + string(f.ids.app)
	endpoint := app + "/endpoint/" + string(f.ids.endpoint)
	wantStatus(t, f.ask(t, "PATCH", app, `{"name":"N"}`), 200, `"name":"N"`, `"uid":".."`)
	wantStatus(t, f.ask(t, "PUT", app, `{"name":"M","uid":".."}`), 200, `"name":"M"`)
	wantStatus(t, f.ask(t, "PATCH", endpoint, `{"description":"D"}`), 200, `"description":"D"`, `"uid":".."`)
	wantStatus(t, f.ask(t, "PUT", endpoint, `{"url":"https://n.example/","uid":".."}`), 200, `"uid":".."`)
	wantStatus(t, f.ask(t, "PATCH", endpoint, `{"uid":"."}`), 422, `"loc":["body","uid"]`)
	wantStatus(t, f.ask(t, "PATCH", endpoint, `{"uid":"hook"}`), 200, `"uid":"hook"`)
	wantStatus(t, f.ask(t, "DELETE", endpoint, ""), 204)
	wantStatus(t, f.ask(t, "DELETE", app, ""), 204)
	const eventType = "/api/v1/event-type/%2e%2e"
	wantStatus(t, f.ask(t, "PATCH", eventType, `{"description":"D"}`), 200, `"description":"D"`)
	wantStatus(t, f.ask(t, "PUT", eventType, `{"description":"E"}`), 200, `"description":"E"`)
	wantStatus(t, f.ask(t, "DELETE", eventType, ""), 204)
	wantStatus(t, f.ask(t, "DELETE", eventType+"?expunge=true", ""), 204)
}

func TestDotNamesAreRefusedByEveryOperation(t *testing.T) {
	t.Parallel()
	for _, dots := range []string{".", ".."} {
		name := `"` + dots + `"`
		for _, r := range []struct{ method, path, body string }{
			{"POST", "/app", `{"name":"N","uid":` + name + `}`},
			{"POST", "/app?get_if_exists=true", `{"name":"N","uid":` + name + `}`},
			{"PUT", "/app/one", `{"name":"N","uid":` + name + `}`},
			{"PUT", "/app/new", `{"name":"N","uid":` + name + `}`},
			{"PATCH", "/app/one", `{"uid":` + name + `}`},
			{"POST", "/app/one/endpoint", `{"url":"https://n.example/","uid":` + name + `}`},
			{"PUT", "/app/one/endpoint/hook", `{"url":"https://n.example/","uid":` + name + `}`},
			{"PUT", "/app/one/endpoint/new", `{"url":"https://n.example/","uid":` + name + `}`},
			{"PATCH", "/app/one/endpoint/hook", `{"uid":` + name + `}`},
			{"POST", "/operational-webhook/endpoint", `{"url":"https://n.example/","uid":` + name + `}`},
			{"PUT", "/operational-webhook/endpoint/ops", `{"url":"https://n.example/","uid":` + name + `}`},
			{"POST", "/event-type", `{"description":"","name":` + name + `}`},
			{"PUT", "/event-type/" + map[string]string{".": "%2e", "..": "%2e%2e"}[dots], `{"description":""}`},
			{"POST", "/event-type/import/openapi", `{"spec":{"webhooks":{` + name + `:{"post":{"summary":"S"}}}}}`},
			{"POST", "/app/one/msg", `{"payload":{},"eventType":` + name + `}`},
			{"POST", "/app/one/msg", `{"payload":{},"eventType":"a","eventId":` + name + `}`},
			{"POST", "/app/new/msg", `{"payload":{},"eventType":"a","application":{"name":"N","uid":` + name + `}}`},
			{"POST", "/app/" + map[string]string{".": "%2e", "..": "%2e%2e"}[dots] + "/msg",
				`{"payload":{},"eventType":"a","application":{"name":"N","uid":` + name + `}}`},
			{"POST", "/auth/app-portal-access/" + map[string]string{".": "%2e", "..": "%2e%2e"}[dots],
				`{"application":{"name":"N","uid":` + name + `}}`},
			{"POST", "/app/one/msg/precheck/active", `{"eventType":` + name + `}`},
			{"POST", "/app/one/endpoint/hook/send-example", `{"eventType":` + name + `}`},
		} {
			w := newFixture(t).ask(t, r.method, "/api/v1"+r.path, r.body)
			if w.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s %s with %s: %d %s", r.method, r.path, r.body, w.Code, w.Body)
			}
		}
		w := newFixture(t).ask(t, "POST", "/api/v1/app/one/msg/batch",
			`{"messages":[{"payload":{},"eventType":`+name+`},{"payload":{},"eventType":"a","eventId":`+name+`},{"payload":{},"eventType":"a"}]}`)
		wantStatus(t, w, 202, `"loc":["body","messages[0]","eventType"]`, `"loc":["body","messages[1]","eventId"]`, `"eventType":"a"`)
	}
}

package server

import (
	"strings"
	"testing"
)

// TestNotFoundSaysWhichEntity requests missing entities, one at a time.
func TestNotFoundSaysWhichEntity(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, test := range []struct{ method, path, body, want string }{
		{"GET", "/app/none", "", "There is no application none."},
		{"PATCH", "/app/none", `{}`, "There is no application none."},
		{"DELETE", "/app/none", "", "There is no application none."},
		{"GET", "/app/none/endpoint/hook", "", "There is no application none."},
		{"GET", "/app/a%20b", "", `There is no application \"a b\".`},
		{"GET", "/app/" + strings.Repeat("x", 300), "", `There is no application \"` + strings.Repeat("x", 100) + `\".`},
		{"POST", "/app/none/msg", `{"eventType":"n","payload":{}}`, "There is no application none."},
		{"POST", "/app/none/msg/batch", `{"messages":[]}`, "There is no application none."},
		{"POST", "/auth/app-portal-access/none", `{}`, "There is no application none."},
		{"POST", "/auth/app/none/expire-all", `{}`, "There is no application none."},
		{"GET", "/app/one/endpoint/none", "", "There is no endpoint none in application {app}."},
		{"PATCH", "/app/one/endpoint/none", `{}`, "There is no endpoint none in application {app}."},
		{"DELETE", "/app/one/endpoint/none", "", "There is no endpoint none in application {app}."},
		{"GET", "/app/one/endpoint/none/stats", "", "There is no endpoint none in application {app}."},
		{"PUT", "/app/one/endpoint/none/headers", `{"headers":{}}`, "There is no endpoint none in application {app}."},
		{"POST", "/app/one/endpoint/none/secret/rotate", `{}`, "There is no endpoint none in application {app}."},
		{"POST", "/app/one/msg/{message}/endpoint/none/resend", "", "There is no endpoint none in application {app}."},
		{"GET", "/app/one/attempt/msg/{message}?endpoint_id=none", "", "There is no endpoint none in application {app}."},
		{"GET", "/app/one/msg/none", "", "There is no message none in application {app}."},
		{"GET", "/app/one/msg/none?with_content=false", "", "There is no message none in application {app}."},
		{"DELETE", "/app/one/msg/none/content", "", "There is no message none in application one."},
		{"GET", "/app/one/msg/{message}/attempt/none", "", "There is no attempt none of message {message}."},
		{"DELETE", "/app/one/msg/{message}/attempt/none/content", "", "There is no attempt none of message {message}."},
		{"GET", "/event-type/none", "", "There is no event type none."},
		{"PATCH", "/event-type/none", `{}`, "There is no event type none."},
		{"DELETE", "/event-type/none?expunge=true", "", "There is no event type none."},
		{"POST", "/app/one/endpoint/hook/send-example", `{"eventType":"none"}`, "There is no event type none."},
		{"GET", "/background-task/none", "", "There is no background task none."},
		{"GET", "/operational-webhook/endpoint/none", "", "There is no operational webhook endpoint none."},
	} {
		w := f.ask(t, test.method, "/api/v1"+f.named(test.path), test.body)
		if wantStatus(t, w, 404, `{"code":"not_found","detail":"`+f.named(test.want)+`"}`); t.Failed() {
			t.Fatalf("%s %s", test.method, test.path)
		}
	}
}

// TestNotFoundIsTheSameForWhatIsSomebodyElses compares the answers for someone else's entity and a missing one.
func TestNotFoundIsTheSameForWhatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/endpoint", `{"url":"https://n.example/","uid":"theirs"}`), 201)
	wantStatus(t, f.send("POST", "/api/v1/app", `{"name":"N","uid":"ours-alone"}`, "Authorization: Bearer "+f.token(t, "org_b")), 201)
	for _, test := range []struct{ token, format, theirs, none string }{
		{"one", "/app/%/endpoint", "two", "no2"},
		{"one", "/app/%", "two", "no2"},
		{"one", "/app/two/endpoint/%", "theirs", "nobody"},
		{"one", "/event-type/%", "b.secret", "b.absent"},
		{"org_a", "/app/%", "ours-alone", "ours-never"},
		{"org_b", "/app/%/endpoint/theirs", "one", "no1"},
		{"org_b", "/event-type/%", "b.secret", "b.absent"},
	} {
		ask := func(ref string) string {
			w := f.send("GET", "/api/v1"+strings.ReplaceAll(test.format, "%", ref), "", "Authorization: Bearer "+f.token(t, test.token))
			wantStatus(t, w, 404, "There is no ")
			return strings.ReplaceAll(w.Body.String(), ref, "%")
		}
		if theirs, none := ask(test.theirs), ask(test.none); theirs != none {
			t.Errorf("%s as %s: %s, and for nothing %s", test.format, test.token, theirs, none)
		}
	}
}

func TestConflictSaysWhichFieldAndValue(t *testing.T) {
	t.Parallel()
	const event = `{"eventType":"n","payload":{},"eventId":"order-1"}`
	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "/app", `{"name":"N","uid":"one"}`, "The uid one belongs to another application; choose another uid."},
		{"PATCH", "/app/two", `{"uid":"one"}`, "The uid one belongs to another application; choose another uid."},
		{"POST", "/app/one/endpoint", `{"url":"https://n.example/","uid":"hook"}`, "The uid hook belongs to another endpoint of this application; choose another uid."},
		{"PATCH", "/app/one/endpoint/second", `{"uid":"hook"}`, "The uid hook belongs to another endpoint of this application; choose another uid."},
		{"POST", "/operational-webhook/endpoint", `{"url":"https://n.example/","uid":"ops"}`, "The uid ops belongs to another operational webhook endpoint; choose another uid."},
		{"POST", "/app/one/msg", event, "The application already has a message with the eventId order-1; send each event with an id of its own."},
	} {
		f := newFixture(t)
		w := f.ask(t, test.method, "/api/v1"+test.path, test.body)
		if wantStatus(t, w, 409, `{"code":"conflict","detail":"`+test.want+`"}`); t.Failed() {
			t.Fatalf("%s %s", test.method, test.path)
		}
	}
	f := newFixture(t)
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg/batch", `{"messages":[`+event+`,{"eventType":"n","payload":{}}]}`), 202, "with the eventId order-1;")
	wantStatus(t, f.ask(t, "POST", "/api/v1/event-type", `{"name":"a.made","description":""}`), 409,
		`{"code":"event_type_exists","detail":"The event type a.made already exists; update it with a PUT."}`)
}

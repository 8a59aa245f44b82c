package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBodiesAreReadExactly sends every operation that takes a body each of its fields twice, and with its name in
// another case, which makes it an unknown field.
func TestBodiesAreReadExactly(t *testing.T) {
	t.Parallel()
	for id, rows := range rows {
		good := rows[0]
		var fields map[string]json.RawMessage
		if good.body == "" || json.Unmarshal([]byte(good.body), &fields) != nil {
			continue
		}
		op := operationByID(t, id)
		body := op.RequestBody.Content.JSON()
		if body.Ref != "" {
			body = contract().Components.Schemas[refName(body.Ref)]
		}
		known := merged(body).Properties
		for name, value := range fields {
			if known[name] == nil {
				continue // the row says that the field is ignored
			}
			t.Run(id+"/"+name, func(t *testing.T) {
				t.Parallel()
				rest := strings.TrimPrefix(strings.TrimSpace(good.body), "{")
				send := func(name, value string, status int, want ...string) {
					f := newFixture(t)
					body := fmt.Sprintf(`{"%s":%s,%s`, name, value, rest)
					f.call(t, op, row{"", good.path, body, status, want}, f.token(t, bearer(op)))
				}
				send(strings.ToUpper(name), `[[]]`, good.status)
				send("unknown", `{"a":"\ud800","a":1},"unknown":1`, good.status)
				send(name, string(value), http.StatusUnprocessableEntity, fmt.Sprintf(`"loc":["body",%q]`, name), "given twice")
			})
		}
	}
}

// halves lists bodies with half a surrogate pair, or with a duplicate member, at the location loc.
var halves = []struct{ method, path, body, loc string }{
	{"POST", "/app", `{"name":"\ud800"}`, `["body","name"]`},
	{"POST", "/app", `{"name":"N","metadata":{"\ud800":"a","\ud801":"b"}}`, `["body","metadata"`},
	{"POST", "/app", `{"name":"N","metadata":{"a":"\udc00"}}`, `["body","metadata","a"]`},
	{"POST", "/app", `{"name":"N","metadata":{"a":"1","a":"2"}}`, `["body","metadata","a"]`},
	{"PATCH", "/app/one", `{"name":"\ud800"}`, `["body","name"]`},
	{"PATCH", "/app/one", `{"metadata":{"a":"1","\u0061":"2"}}`, `["body","metadata","a"]`},
	{"POST", "/app/one/endpoint", `{"url":"https://n.example/\ud800"}`, `["body","url"]`},
	{"POST", "/app/one/endpoint", `{"url":"https://n.example/","headers":{"x-a":"1","x-a":"2"}}`, `["body","headers","x-a"]`},
	{"POST", "/app/one/endpoint", `{"url":"https://n.example/","channels":["a","\ud800"]}`, `["body","channels[1]"]`},
	{"PUT", "/app/one/endpoint/hook/headers", `{"headers":{"x-a":"\ud800"}}`, `["body","headers","x-a"]`},
	{"PATCH", "/app/one/endpoint/hook/headers", `{"headers":{"x-a":null,"x-a":"1"}}`, `["body","headers","x-a"]`},
	{"POST", "/operational-webhook/endpoint", `{"url":"https://n.example/","description":"\ud800"}`, `["body","description"]`},
	{"POST", "/event-type", `{"name":"n","description":"D","schemas":{"1":{"title":"\ud800"}}}`, `["body","schemas","1","title"]`},
	{"POST", "/event-type", `{"name":"n","description":"D","schemas":{"1":{},"1":{}}}`, `["body","schemas","1"]`},
	{"PATCH", "/event-type/a.made", `{"schemas":{"1":{"title":"a","title":"b"}}}`, `["body","schemas","1","title"]`},
	{"POST", "/event-type/import/openapi", `{"spec":{"webhooks":{"n":{"post":{}},"n":{}}}}`, `["body","spec","webhooks","n"]`},
	{"POST", "/event-type/import/openapi", `{"specRaw":"{\"webhooks\":{\"n\":{\"post\":{\"summary\":\"\\ud800\"}}}}"}`, `["body","specRaw","webhooks","n","post","summary"]`},
	{"POST", "/app/one/msg", `{"eventType":"n","payload":{},"tags":["\ud800"]}`, `["body","tags[0]"]`},
	{"POST", "/app/one/msg", `{"eventType":"n","payload":{},"application":{"name":"N","name":"M"}}`, `["body","application","name"]`},
	{"POST", "/app/one/msg", `{"eventType":"n","transformationsParams":{"rawPayload":"\ud800"}}`, `["body","transformationsParams","rawPayload"]`},
}

func TestBodiesWithHalfACharacterOrAFieldTwiceAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range halves {
		t.Run(test.method+test.path+test.body, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t).ask(t, test.method, "/api/v1"+test.path, test.body)
			wantStatus(t, w, 422, `"loc":`+test.loc, `"type":"value_error.jsondecode"`)
		})
	}
}

// TestPayloadsAreNotLookedInto sends payloads that would not be valid in other fields.
func TestPayloadsAreNotLookedInto(t *testing.T) {
	t.Parallel()
	const payload = `{ "a":1,"a":"\ud800\u0000","A": 2}`
	for _, name := range []string{"payload", "data"} {
		f := newFixture(t)
		wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", `{"eventType":"n","`+name+`":`+payload+`}`), 202, `"payload":`+payload)
		w := f.ask(t, "POST", "/api/v1/app/one/msg/batch", `{"messages":[{"eventType":"n","`+name+`":`+payload+`}]}`)
		wantStatus(t, w, 202, `"status":202`, `"payload":`+payload)
	}
}

func TestBatchRefusesEachMalformedMessageAlone(t *testing.T) {
	t.Parallel()
	w := newFixture(t).ask(t, "POST", "/api/v1/app/one/msg/batch", `{"messages":[
		{"eventType":"n","payload":{"a":1,"a":2}},
		{"eventType":"n","eventType":"m","payload":{}},
		{"eventType":"\ud800","payload":{}},
		{"eventType":"n","Payload":{}}]}`)
	wantStatus(t, w, 202, `"payload":{"a":1,"a":2}`, `"loc":["body","messages[1]","eventType"],"msg":"eventType: given twice`,
		`"loc":["body","messages[2]","eventType"]`, "missing field `payload`")
}

func TestDeliverAtIsATime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`""`, `" "`, `"soon"`} {
		w := newFixture(t).ask(t, "POST", "/api/v1/app/one/msg", `{"eventType":"n","payload":{},"deliverAt":`+text+`}`)
		wantStatus(t, w, 422, `"loc":["body","deliverAt"]`, "2026-01-31T09:30:00Z")
	}
}

func TestRawPayloadHasOneContentType(t *testing.T) {
	t.Parallel()
	w := newFixture(t).ask(t, "POST", "/api/v1/app/one/msg",
		`{"eventType":"n","transformationsParams":{"rawPayload":"a","headers":{"content-type":"text/plain","Content-Type":"text/csv"}}}`)
	wantStatus(t, w, 422, `"loc":["body","transformationsParams","headers","content-type"]`, "given twice")
}

func TestMetadataIsBoundedAsItWasSent(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("&", 4096-len(`{"a":""}`))
	for _, path := range []string{"/app", "/app/one/endpoint", "/operational-webhook/endpoint"} {
		body := `{"name":"N","url":"https://n.example/","metadata":{"a":"` + fits
		wantStatus(t, newFixture(t).ask(t, "POST", "/api/v1"+path, body+`"}}`), 201)
		wantStatus(t, newFixture(t).ask(t, "POST", "/api/v1"+path, body+`&"}}`), 422, `"loc":["body","metadata"]`)
	}
}

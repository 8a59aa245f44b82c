package server

import (
	"strings"
	"testing"
	"time"
)

func TestMessagesAreStoredByteForByte(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"payload", "data"} {
		for _, payload := range []string{
			oddPayload, `{}`, "{\n\t\"a\" :\r\n [ 1.50, 1e5, -0 ] }", `{"b":1,"a":2,"b":3}`, `{"é":"\u00e9\/\ud800"}`, `{"<&>":"</script>"}`,
		} {
			f := newFixture(t)
			body := "{ \"eventType\" : \"n\" , \"" + field + "\" : " + payload + " }\n"
			w := f.ask(t, "POST", "/api/v1/app/one/msg", body)
			wantStatus(t, w, 202, `"payload":`+payload)
			if got := *f.store.inserted[0].Payload; got != payload {
				t.Errorf("stored %s, want %s", got, payload)
			}
			wantStatus(t, f.ask(t, "GET", "/api/v1/app/one/msg/"+string(f.store.inserted[0].ID), ""), 200, `"payload":`+payload)
			wantStatus(t, f.ask(t, "GET", "/api/v1/app/one/msg", ""), 200, `"payload":`+payload)
		}
	}
}

func TestMessagesWithoutPayloadShowAsExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, payload := range map[string]*string{"expunged": nil, "not JSON": new("<xml/>"), "expired": new(`{"a":1}`)} {
		f.store.messages[0].Payload = payload
		if name == "expired" {
			f.store.messages[0].ExpiresAt = testNow
		}
		wantStatus(t, f.ask(t, "GET", "/api/v1/app/one/msg/order-1", ""), 200, `"payload":{"expired":true}`)
		wantStatus(t, f.ask(t, "GET", "/api/v1/app/one/msg", ""), 200, `"payload":{"expired":true}`)
	}
}

func TestPayloadRetentionPeriodIsInDays(t *testing.T) {
	t.Parallel()
	for given, days := range map[string]int{"": 90, `,"payloadRetentionPeriod":null`: 90, `,"payloadRetentionPeriod":1`: 1, `,"payloadRetentionPeriod":90`: 90} {
		f := newFixture(t)
		wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", `{"eventType":"n","payload":{}`+given+`}`), 202)
		if got, want := f.store.inserted[0].ExpiresAt, testNow.AddDate(0, 0, days); !got.Equal(want) {
			t.Errorf("%q: expires %s, want %s", given, got, want)
		}
	}
	for _, refused := range []string{"0", "-1", "91", "1.5", "9223372036854775807", `"1"`} {
		w := newFixture(t).ask(t, "POST", "/api/v1/app/one/msg", `{"eventType":"n","payload":{},"payloadRetentionPeriod":`+refused+`}`)
		wantStatus(t, w, 422, `"loc":["body","payloadRetentionPeriod"]`)
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	send := func(payload string, headers ...string) string {
		w := f.ask(t, "POST", "/api/v1/app/one/msg", `{"eventType":"n","payload":`+payload+`}`, headers...)
		wantStatus(t, w, 202)
		return w.Body.String()
	}
	const key = "idempotency-key: auto_1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	first := send(`{"a": 1}`, key)
	if again := send(`{"a": 2}`, key); again != first {
		t.Errorf("first  %s\nagain %s", first, again)
	}
	for _, other := range []string{"idempotency-key: b", "idempotency-key: a,b", "idempotency-key: 100%zz", "idempotency-key: "} {
		if send(`{"a": 1}`, other) == first {
			t.Errorf("%s found the message of another key", other)
		}
	}
	if len(f.store.inserted) != 5 || f.store.inserted[4].KeyHash != nil {
		t.Errorf("%d messages, the last with the key %x", len(f.store.inserted), f.store.inserted[4].KeyHash)
	}
}

func TestRepeatedRequestsShowThatThePayloadIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const body = `{"eventType":"n","payload":{"a":1}}`
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", body, "idempotency-key: a"), 202, `"payload":{"a":1}`)
	f.store.inserted[0].Payload = nil
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", body, "idempotency-key: a"), 202, `"payload":{"expired":true}`)
}

func TestIdempotencyKeysAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const body = `{"eventType":"n","payload":{}}`
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", body, "idempotency-key: "+strings.Repeat("a", 1024)), 202)
	for _, headers := range [][]string{
		{"idempotency-key: " + strings.Repeat("a", 1025)},
		{"idempotency-key: a", "idempotency-key: b"},
	} {
		wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", body, headers...), 422, `"loc":["header","idempotency-key"]`)
	}
}

func TestMessagesMakeTheirApplication(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	body := `{"eventType":"n","payload":{},"application":{"name":"N","uid":"new","rateLimit":4,"metadata":{"a":"b"}}}`
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/new/msg", body), 202)
	wantStatus(t, f.ask(t, "GET", "/api/v1/app/new", ""), 200, `"name":"N"`, `"throttleRate":4`, `"a":"b"`)
}

func TestEndpointsKeepTheirSecretAndHeaders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w := f.ask(t, "POST", "/api/v1/app/one/endpoint", `{"url":"https://n.example/","uid":"n",
		"secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","headers":{"X-Mine":"1"}}`)
	wantStatus(t, w, 201)
	if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "MfKQ") {
		t.Errorf("the answer shows the secret: %s", w.Body)
	}
	if e := f.store.endpoints[len(f.store.endpoints)-1]; e.Headers["X-Mine"] != "1" || !e.CreatedAt.Equal(testNow.Truncate(time.Microsecond)) {
		t.Errorf("stored %+v", e)
	}
	wantStatus(t, f.ask(t, "PUT", "/api/v1/app/one/endpoint/n", `{"url":"https://n.example/new","uid":"n"}`), 200)
	wantStatus(t, f.ask(t, "GET", "/api/v1/app/one/endpoint/n/secret", ""), 200, `{"key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`)
}

func TestMessagesCarryTheTraceOfTheirRequest(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for header, want := range map[string]string{trace: trace, "nonsense": "", "": ""} {
		f := newFixture(t)
		message := `{"eventType":"n","payload":{}}`
		wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", message, "traceparent: "+header), 202)
		wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg/batch", `{"messages":[`+message+`]}`, "traceparent: "+header), 202)
		if n := len(f.store.inserted); n != 2 {
			t.Fatalf("%d messages were stored, want 2", n)
		}
		for _, m := range f.store.inserted {
			if got := m.TraceParent; (got == nil) != (want == "") || got != nil && *got != want {
				t.Errorf("%q: the message's trace is %v, want %q", header, got, want)
			}
		}
	}
}

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestDecodeBody(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"object", " \n{\"name\":\"N\"}\t", ""},
		{"unknown fields", `{"more":[{}]}`, ""},
		{"nothing", "", "body: The body must be a JSON object."},
		{"white space", " \n", "body: The body must be a JSON object."},
		{"null", "null", "body: The body must be a JSON object."},
		{"array", `[{}]`, "body: The body must be a JSON object."},
		{"half", `{"name":`, "body: The body is not JSON: it is cut off after byte 8"},
		{"two", `{}{}`, "body: The body is not JSON: unexpected '{' at byte 3"},
		{"trailing bytes", `{"name":"N"}x`, "body: The body is not JSON: unexpected 'x' at byte 13"},
		{"byte order mark", "\xef\xbb\xbf{}", "body: The body must be a JSON object."},
		{"not UTF-8", "{\"name\":\"\xff\"}", "body: The body must be valid UTF-8."},
		{"not UTF-8 in a field nobody reads", "{\"more\":\"\xff\"}", "body: The body must be valid UTF-8."},
		{"too deep", `{"more":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + "}", "body: The body is not JSON: it is nested too deep at byte 10008"},
		{"string", `{"name":1}`, "body name: name: expected a string, not number"},
		{"number", `{"throttleRate":"1"}`, "body throttleRate: throttleRate: expected a whole number from 1 to 65535, not string"},
		{"number too large", `{"throttleRate":65536}`, "body throttleRate: throttleRate: expected a whole number from 1 to 65535, not number 65536"},
		{"number below 0", `{"throttleRate":-1}`, "body throttleRate: throttleRate: expected a whole number from 1 to 65535, not number -1"},
		{"fraction", `{"throttleRate":1.5}`, "body throttleRate: throttleRate: expected a whole number from 1 to 65535, not number 1.5"},
		{"endless number", `{"throttleRate":` + strings.Repeat("1", 100_000) + `}`,
			"body throttleRate: throttleRate: expected a whole number from 1 to 65535, not number " + strings.Repeat("1", 33)},
		{"map", `{"metadata":[]}`, "body metadata: metadata: expected an object, not array"},
		{"value of a map", `{"metadata":{"a":1}}`, "body metadata: metadata: expected a string, not number"},
		{"null in a map", `{"metadata":{"a":null}}`, "body metadata a: metadata.a: expected a string, not null"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var in ApplicationIn
			wantFault(t, decodeBody(bodyOf(test.body), &in), test.want)
		})
	}
}

func TestDecodeBodyOfAPatch(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"disabled":"yes"}`:       "body disabled: disabled: expected true or false, not string",
		`{"eventTypes":"a"}`:       "body eventTypes: eventTypes: expected an array, not string",
		`{"eventTypes":[1]}`:       "body eventTypes: eventTypes: expected a string, not number",
		`{"version":0.5}`:          "body version: version: expected a whole number from 1 to 65535, not number 0.5",
		`{"metadata":{"a":false}}`: "body metadata: metadata: expected a string, not bool",
	} {
		var in EndpointPatch
		wantFault(t, decodeBody(bodyOf(body), &in), want)
	}
}

func wantFault(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	e, ok := errors.AsType[*core.Error](err)
	if !ok || e.Kind != core.KindInvalid || e.Fields[0].Type != "value_error.jsondecode" {
		t.Fatalf("%v, want a decoding error", err)
	}
	if got := strings.Join(e.Fields[0].Loc, " ") + ": " + e.Fields[0].Message; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBodiesThatBreakOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := len(f.store.apps)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/app", io.MultiReader(strings.NewReader(`{"name":"N"}`), broken{}))
	r.Header.Set("Authorization", "Bearer "+f.token(t, "org_a"))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	wantStatus(t, w, 400, `"code":"generic_error"`)
	if len(f.store.apps) != before {
		t.Error("half a body made an application")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodiesOfUnknownLengthAreBoundedToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	body := `{"eventType":"n","payload":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`
	r := httptest.NewRequest(http.MethodPost, "/api/v1/app/one/msg", io.MultiReader(strings.NewReader(body)))
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer "+f.token(t, "org_a"))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	wantStatus(t, w, 413, `{"code":"payload_too_large","detail":"The request body is too large; it may hold at most 2097152 bytes."}`)
}

func TestAnswersAboutManyFaultsAreShort(t *testing.T) {
	t.Parallel()
	body := `{"url":"https://n.example","eventTypes":["!` + strings.Join(strings.Fields(fmt.Sprint(rand.Perm(10_000))), `","!`) + `"]}`
	w := newFixture(t).ask(t, "POST", "/api/v1/app/one/endpoint", body)
	wantStatus(t, w, 422, `"loc":["body","eventTypes`)
	if w.Body.Len() > 20_000 {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

// bodyOf returns a request with the given body, as a handler gets it.
func bodyOf(text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	return r.WithContext(context.WithValue(r.Context(), callKey{}, &call{}))
}

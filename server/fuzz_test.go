package server

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// fuzzRequest returns a request as net/http reads it from a client, or nil if net/http itself rejects it.
func fuzzRequest(method, target, body string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: h.example\r\n\r\n")))
	if err != nil {
		return nil
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return r
}

// wantAnswer sends a request and checks that its answer, whatever the request, is not a server error and is allowed
// by the contract.
func (f *fixture) wantAnswer(t *testing.T, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %q is answered %d: %s\n%v", r.Method, r.URL, w.Code, w.Body, f.logged.lines("request panicked"))
	}
	isJSON := json.Valid(w.Body.Bytes())
	if !isJSON && w.Body.Len() > 0 && w.Header().Get("Content-Type") == "application/json" {
		t.Fatalf("%s %q is answered %s", r.Method, r.URL, w.Body)
	}
	var body any
	if err := json.Unmarshal(w.Body.Bytes(), &body); isJSON && err != nil {
		return // a payload with a number beyond Go's range, which is returned digit for digit as it was sent
	}
	route, _ := f.logged.lines("request answered")[0]["route"].(string)
	method, path, _ := strings.Cut(route, " ")
	op := contract().Paths[path].operations()[method]
	if op != nil && (r.Method != http.MethodHead || w.Code/100 == 2) {
		wantContract(t, op, w)
	}
}

// everyRow calls add with the request of every row, and its operation.
func everyRow(f *testing.F, add func(f *fixture, op *operation, r row)) {
	f.Helper()
	ids := &fixture{store: &fake{}}
	ids.seed()
	byID := map[string]*operation{}
	for _, item := range contract().Paths {
		for _, op := range item.operations() {
			byID[op.OperationID] = op
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) { // so that seeds keep their numbers
		for _, r := range rows[id] {
			r.path = "/api/v1" + ids.named(r.path)
			add(ids, byID[id], r)
		}
	}
}

// FuzzBody sends bodies of any kind to any operation. The seeds are the rows of all operations.
func FuzzBody(f *testing.F) {
	everyRow(f, func(ids *fixture, op *operation, r row) {
		if op.RequestBody != nil {
			f.Add(op.Method, r.path, []byte(ids.named(r.body)), "")
			f.Add(op.Method, r.path, []byte(ids.named(r.body)), "key")
		}
	})
	f.Fuzz(func(t *testing.T, method, target string, body []byte, key string) {
		r := fuzzRequest(method, target, string(body))
		if r == nil {
			return
		}
		x := newFixture(t)
		r.Header.Set("Authorization", "Bearer "+x.token(t, "org_a"))
		r.Header.Set("Idempotency-Key", key)
		x.wantAnswer(t, r)
	})
}

// FuzzTarget requests paths and queries of any kind.
func FuzzTarget(f *testing.F) {
	everyRow(f, func(_ *fixture, op *operation, r row) {
		f.Add(op.Method, r.path)
		if op.Method == http.MethodGet {
			f.Add(op.Method, r.path+goodQuery(op))
		}
	})
	for _, target := range []string{
		"/api/v1/app/a%00b", "/api/v1/app/%2500", "/api/v1/app/%ff", "/api/v1/app/%2e%2e", "/api/v1/app/..%2f", "/api/v1//app", "*", "//",
		"/api/v1/app/%2F/", "http://h.example/api/v1/app", "/api/v1/app/?limit", "/api/v1/app?event_types[]=%00&event_types[0]=a,,b;c",
	} {
		f.Add("GET", target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		r := fuzzRequest(method, target, "{}")
		if r == nil {
			return
		}
		x := newFixture(t)
		r.Header.Set("Authorization", "Bearer "+x.token(t, "org_a"))
		x.wantAnswer(t, r)
	})
}

// goodQuery returns a query with all parameters of an operation, so that the fuzzer can change each of them.
func goodQuery(op *operation) string {
	query := "?"
	for _, p := range op.Parameters {
		if p.In == "query" {
			query += p.Name + "=" + map[string]string{
				"limit": "2", "order": "ascending", "before": "2026-01-31T09:30:00Z", "after": "2026-01-31", "status": "2",
				"status_code_class": "500", "channel": "c", "tag": "t", "event_types": "a.made", "with_content": "true",
			}[p.Name] + "&"
		}
	}
	return query
}

// FuzzHeaders sends headers of any kind with a request for which all of them are read.
func FuzzHeaders(f *testing.F) {
	good := newTokens(f, func() time.Time { return testNow })
	token, err := good.Org("org_a", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	for _, authorization := range []string{
		"Bearer " + token, "bearer  " + token, "Bearer " + token + ".", "Bearer", "Bearer ..", "Bearer a.b.c", "Basic " + token, "Bearer " + testSecret,
		"Bearer eyJhbGciOiJub25lIn0.e30.", token, "\xff", "",
	} {
		f.Add(authorization, "key", "application/json", "1", "x")
	}
	f.Add("Bearer "+token, strings.Repeat("k", 1025), "text/plain; charset=\xff", "a\tb", "X-\xff")
	f.Fuzz(func(t *testing.T, authorization, key, contentType, id, asked string) {
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			r := fuzzRequest(method, "/api/v1/app", `{"name":"N"}`)
			for name, value := range map[string]string{
				"Authorization": authorization, "Idempotency-Key": key, "Content-Type": contentType, "Svix-Req-Id": id,
				"Access-Control-Request-Headers": asked,
			} {
				if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
					return // net/http rejects it
				}
				r.Header.Set(name, value)
			}
			newFixture(t).wantAnswer(t, r)
		}
	})
}

// FuzzClaims sends tokens with any claims, signed with the right key: the holder of the key can make mistakes too.
func FuzzClaims(f *testing.F) {
	for _, claims := range []string{
		`{"sub":"org_a"}`, `{"sub":"app_x","org":"org_a","capabilities":["ViewBase"],"feature_flags":["f",null]}`,
		`{"sub":"org_a","iat":1e300,"exp":-1e300,"nbf":0.5}`, `{"sub":"org_\u0000","exp":9e18}`, `{"sub":"app_\ud800","org":"org_"}`,
		`{"sub":"app_x","org":"org_a","iat":1769851800,"iat_us":999999,"exp":1769861800,"session_id":"s"}`,
		`{"sub":"app_x","org":"org_a","iat":-99999999999,"exp":253402300800,"session_id":"."}`, `{"sub":["org_a"],"aud":{}}`, `[]`, `{`,
	} {
		f.Add(claims, "/api/v1/app/one")
		f.Add(claims, "/api/v1/auth/logout")
	}
	f.Fuzz(func(t *testing.T, claims, target string) {
		method := http.MethodGet
		if strings.HasSuffix(target, "/logout") {
			method = http.MethodPost
		}
		r := fuzzRequest(method, target, "")
		if r == nil {
			return
		}
		r.Header.Set("Authorization", "Bearer "+signed(t, claims))
		newFixture(t).wantAnswer(t, r)
	})
}

// signed returns a token with the given payload, whatever it is.
func signed(t *testing.T, claims string) string {
	t.Helper()
	text := encodeSegment(`{"alg":"HS256","typ":"JWT"}`) + "." + encodeSegment(claims)
	signature, err := jwt.SigningMethodHS256.Sign(text, []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encodeSegment(string(signature))
}

func encodeSegment(text string) string { return (&jwt.Token{}).EncodeSegment([]byte(text)) }

// FuzzCanonicalQuery reads queries of any kind. The canonical form must be stable, parse, and contain nothing that
// Postgres rejects, and parameters that are not lists must keep their values.
func FuzzCanonicalQuery(f *testing.F) {
	for _, query := range []string{
		"", "a=b", "event_types=a,b&event_types[]=c&event_types[1]=d,,", "event_types[=x&event_types]=y", "%00=%00", "a=%ff", "a=%zz", "a;b", "&&=", "event_types=%2C",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		canonical, err := canonicalQuery(query)
		if err != nil {
			return
		}
		if again, err := canonicalQuery(canonical); err != nil || again != canonical {
			t.Errorf("%q becomes %q, and that %q, %v", query, canonical, again, err)
		}
		before, _ := url.ParseQuery(query)
		after, err := url.ParseQuery(canonical)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range after {
			if !isText(strings.Join(values, "")) {
				t.Errorf("%q holds what is no text", canonical)
			}
			if !slices.Contains(arrayParameters, name) && !slices.Equal(values, before[name]) {
				t.Errorf("%q: %s becomes %q", query, name, values)
			}
		}
		for name := range maps.Keys(before) {
			if after[name] == nil && !slices.Contains(arrayParameters, listName(name)) {
				t.Errorf("%q loses %q", query, name)
			}
		}
	})
}

// FuzzSchemas checks event types' schemas of any kind. Accepted schemas must be readable by the code that looks for
// examples.
func FuzzSchemas(f *testing.F) {
	for _, schemas := range []string{
		`{"1":{"type":"object","properties":{"a":{"$ref":"#/definitions/b"}},"definitions":{"b":{"enum":[1,1]}}}}`,
		`{"1":{"$schema":"https://json-schema.org/draft/2020-12/schema","$defs":{},"prefixItems":[true]},"2":{"pattern":"("}}`,
		`{"":{"multipleOf":1e-308,"$id":"%","format":"\ud800","required":["a","a"]}}`, `{"1":{"$schema":"http://json-schema.org/draft-04/schema#","id":"::"}}`,
	} {
		f.Add(schemas)
	}
	f.Fuzz(func(t *testing.T, schemas string) {
		if !json.Valid([]byte(schemas)) {
			return
		}
		x := newFixture(t)
		body := `{"name":"new","description":"","schemas":` + schemas + `}`
		w := x.ask(t, http.MethodPost, "/api/v1/event-type", body)
		if w.Code != http.StatusCreated && w.Code != http.StatusUnprocessableEntity {
			t.Fatalf("%s is answered %d: %s\n%v", body, w.Code, w.Body, x.logged.lines("request panicked"))
		}
		wantContract(t, operationByID(t, "EventTypeCreate"), w)
	})
}

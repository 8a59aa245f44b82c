package server

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ofGo matches words that only a reader of our source would understand.
var ofGo = regexp.MustCompile(`\bGo\b|json: |yaml: |strconv|[uU]nmarshal|invalid character|\btime\.|\bu?int(8|16|32|64)\b|float64|interface|` +
	`nullable\.|core\.|server\.|reflect|runtime|parsing|net/http|looking for|unexpected end of JSON|EOF|goroutine|github\.com/[^s]`)

// wrong lists values of every JSON type.
var wrong = []string{
	`[]`, `[[]]`, `[{}]`, `[null]`, `[1]`, `["a",1]`, `{}`, `{"a":[]}`, `{"a":{"b":1}}`, `{"1":[]}`, `{"1":{"a":1}}`, `{"1":{"a":1e400}}`, `{"1":{"maximum":1e400}}`, `null`, `"x"`, `""`,
	`true`, `-1`, `0`, `1.5`, `1e400`, `70000`, `99999999999999999999`,
}

var badYAML = []string{
	"a: b: c", "\t- x", "{a: 1, a: 2}", "a: !!int x", "a: .inf", "a: -.INF", "a: .nan", "a: &x [*x]", "%YAML", "a: 'x", "- \x00",
	"? [a]\n: 1", "<<: {a: 1}", "a: !!bool maybe", "a: *x", "", "- 1", "x", "webhooks: 1", "webhooks: {n: 1}", "webhooks: {n: {post: 1}}",
	"webhooks: {n: {post: {requestBody: {content: {application/json: {schema: {maximum: 1e400}}}}}}}",
	"webhooks: {n: {post: {requestBody: {content: {application/json: {schema: 1}}}}}}", "webhooks: {n: {post: {description: [1]}}}",
	"webhooks: {n: {post: {requestBody: {$ref: 5}}}}", "{", "[", "a: [", "\"", "a: !!float x", "a: !!null x", "a: !!timestamp x",
}

func TestErrorsSpeakOfJSONAndNotOfGo(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		if op.RequestBody == nil || rows[op.OperationID] == nil {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			r := rows[op.OperationID][0]
			s := op.RequestBody.Content.JSON()
			if op.OperationID == "EventTypeImport" {
				for _, document := range badYAML {
					text, _ := json.Marshal(document) // a string
					wantNoGo(t, op, r, `{"specRaw":`+string(text)+`}`)
				}
			}
			for body := range badFields(t, s, r.body) {
				wantNoGo(t, op, r, body)
			}
			for _, body := range []string{
				`{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `{}x`, `{"a":01}`, `{"a":.5}`,
				`{"a":tru}`, `{"a":"\x"}`, `{"a":"` + "\x01" + `"}`, `{"a":[1,]}`, `{"a":1 "b":2}`, `{"a":NaN}`, strings.Repeat(`{"a":`, 20000), `[]`, `"x"`, `1`,
				"\ufeff{}", "{\"a\":\u00e9}", `{"a":"\u12"}`, `{"a":-}`, `{"a":1e}`, `{"a":1.}`,
			} {
				wantNoGo(t, op, r, body)
			}
		})
	}
}

func wantNoGo(t *testing.T, op *operation, r row, body string) {
	t.Helper()
	f := newFixture(t)
	w := f.send(op.Method, "/api/v1"+f.named(r.path), f.named(body), "Authorization: Bearer "+f.token(t, bearer(op)))
	if w.Code >= 500 {
		t.Errorf("%s: %d: %s", body, w.Code, w.Body)
	}
	if found := ofGo.FindString(w.Body.String()); found != "" && w.Code/100 != 2 {
		t.Errorf("%.100s is answered with %q: %.300s", body, found, w.Body)
	}
}

// badFields returns bodies in which one field, or a field of an object in it, has a value of another type.
func badFields(t *testing.T, s *schema, good string) map[string]bool {
	t.Helper()
	var body map[string]json.RawMessage
	if err := json.Unmarshal([]byte(good), &body); err != nil {
		t.Fatal(err)
	}
	_, s = resolved(s)
	all := map[string]bool{}
	for name, property := range s.Properties {
		values := slices.Clone(wrong)
		if _, inner := resolved(property); inner.Properties != nil {
			for nested := range inner.Properties {
				for _, value := range wrong {
					values = append(values, `{"name":"N","`+nested+`":`+value+`}`)
				}
			}
		}
		for _, value := range values {
			changed := maps.Clone(body)
			changed[name] = json.RawMessage(value)
			text := []string{}
			for name, value := range changed {
				text = append(text, `"`+name+`":`+string(value))
			}
			all["{"+strings.Join(text, ",")+"}"] = true
		}
	}
	return all
}

func TestErrorsAboutQueriesSpeakOfNoGo(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		if rows[op.OperationID] == nil {
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			t.Parallel()
			good := rows[op.OperationID][0]
			path, _, _ := strings.Cut(good.path, "?")
			for _, p := range op.Parameters {
				for _, value := range []string{"", "x", "-1", "1.5", "99999999999999999999", "%zz", "%00", "%ff", "a;b", "[]", "{}", "true", "1&" + p.Name + "=2"} {
					if p.In != "query" {
						continue
					}
					r := good
					r.path = path + "?" + p.Name + "=" + value
					wantNoGo(t, op, r, good.body)
				}
			}
		})
	}
}

func TestErrorsAboutLimitsNameTheBoundThatIsBroken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{
		"/app", "/app/one/endpoint", "/event-type", "/app/one/msg", "/app/one/attempt/endpoint/hook", "/background-task",
		"/operational-webhook/endpoint", "/app/one/endpoint/hook/msg", "/app/one/msg/order-1/endpoint",
	} {
		below := f.ask(t, http.MethodGet, "/api/v1"+path+"?limit=-1", "")
		wantStatus(t, below, 422, `"loc":["query","limit"]`, "must not be negative")
		if strings.Contains(below.Body.String(), "exceed") {
			t.Errorf("%s: %s", path, below.Body)
		}
		wantStatus(t, f.ask(t, http.MethodGet, "/api/v1"+path+"?limit=251", ""), 422, "must not exceed 250")
	}
}

func TestErrorsAboutRatesNameBoundsThatAreTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for path, body := range map[string]string{"/app": `{"name":"N",%s}`, "/app/one/endpoint": `{"url":"https://n.example/",%s}`} {
		for _, field := range []string{`"throttleRate":-1`, `"throttleRate":70000`, `"rateLimit":1.5`, `"throttleRate":"5"`} {
			w := f.ask(t, http.MethodPost, "/api/v1"+path, strings.Replace(body, "%s", field, 1))
			wantStatus(t, w, 422, "from 1 to 65535")
		}
	}
}

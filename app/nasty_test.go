package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestGoodRequestsSucceed validates the requests of the similar tests: what they modify must be valid before.
func TestGoodRequestsSucceed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, op := range operations(t) {
		for _, r := range []request{op.good, {op.good.method, op.good.target + goodQuery(op), op.good.body, ""}} {
			w.populate(t)
			if answer := w.wantNoFailure(t, r); answer.Code/100 != 2 {
				t.Errorf("%s: %s %s with %s is answered %d: %s", op.id, r.method, r.target, r.body, answer.Code, answer.Body)
			}
		}
	}
}

// nastyJSON are JSON values to put in the place of any value.
var nastyJSON = []string{
	// Texts.
	`""`, `"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udc00\ud800"`, `"\ufffd"`, `"😀"`, `"\u202eabc\u202c"`, `"\u0001\u001f\u007f"`,
	`"` + strings.Repeat("a", 257) + `"`, `"` + strings.Repeat("é", 5000) + `"`, `"` + strings.Repeat("x", 1<<20) + `"`,
	`" "`, `"."`, `".."`, `"a/b"`, `"%00"`, `"a,b"`, `"{}"`, `"'; --"`, `"a\nb\r\n"`, `"http://[::1"`, `"http://%ff/"`,
	`"http://h:99999999/"`, `"app_"`, `"ep_"`, `"msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz"`, `"-"`,
	// Numbers.
	`0`, `-1`, `-0`, `1.5`, `1e3`, `65536`, `2147483648`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775809`,
	`1e400`, `-1e400`, `1e-20000`, `0.` + strings.Repeat("0", 20000) + `1`, strings.Repeat("9", 200_000),
	// The rest.
	`null`, `true`, `{}`, `[]`, `[null]`, `[[]]`, `[{}]`, `[""]`, `["\u0000"]`, `["\ud800"]`, `[1e400]`, `["a","a"]`,
	`[{"eventType":"a","payload":{},"eventId":"x"},{"eventType":"a","payload":{},"eventId":"x"}]`,
	`[` + strings.Repeat(`"a",`, 100_000) + `"a"]`, `[` + strings.Repeat(`{},`, 2000) + `{}]`,
	`{"":""}`, `{"\u0000":"\u0000"}`, `{"a":"\u0000"}`, `{"\ud800":"\ud800"}`, `{"a":null}`, `{"a":1e400}`, `{"a":{}}`,
	`{"1":{}}`, `{"1":{"description":"\u0000"}}`, `{"1":{"examples":["\u0000",{"\u0000":1e-20000}]}}`,
	`{"1":{"const":1e-20000}}`, `{"` + strings.Repeat("k", 3000) + `":"v"}`,
	strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000), strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000),
	strings.Repeat(`{"a":`, 9999) + `1` + strings.Repeat(`}`, 9999), strings.Repeat(`{"a":`, 20_000), `{"1":` + strings.Repeat(`{"not":`, 60) + `{}` + strings.Repeat(`}`, 61),
}

// nastyTimes are nasty in time.
var nastyTimes = []string{
	`"0000-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"0000-01-01T00:00:00+23:59"`, `"9999-12-31T23:59:59Z"`,
	`"9999-12-31T23:59:59-23:59"`, `"10000-01-01T00:00:00Z"`, `"300000-01-01T00:00:00Z"`, `"-0001-01-01T00:00:00Z"`,
	`"2026-02-30T00:00:00Z"`, `"2016-12-31T23:59:60Z"`,
}

// TestNastyValuesInBodies puts each value into each field of each operation, every other request with an idempotency
// key.
func TestNastyValuesInBodies(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: thousands of requests, one after the other")
	}
	w, all := newWorld(t), operations(t)
	w.populate(t)
	for _, op := range all {
		for _, time := range nastyTimes {
			if op.fields["since"] != nil {
				op.fields["until"] = json.RawMessage(time) // the same in both, or one is before the other
				w.wantStill(t, all, op.with("since", time))
			}
		}
		for i, name := range op.names() {
			for j, value := range slices.Concat(nastyJSON, nastyTimes) {
				r := op.with(name, value)
				r.key = []string{"", "key"}[(i+j)%2]
				w.wantStill(t, all, r)
			}
		}
	}
}

// wantStill is wantNoFailure for one request of many: it recreates for the next request what this one changes.
func (w *world) wantStill(t *testing.T, all []operation, r request) {
	t.Helper()
	if answer := w.wantNoFailure(t, r); r.method != http.MethodGet && answer.Code/100 == 2 {
		w.wantReadable(t, all, r)
		w.populate(t)
	}
}

// nastyTexts are texts for paths and queries, before escaping.
var nastyTexts = []string{
	"", " ", "\x00", "a\x00b", "\xff", "\xed\xa0\x80", "\ufffd", "😀", "\u202e", ".", "..", "../..", "/", "a/b", "%", "%00", "%2500", "%zz", ",", ",,", "a,b",
	"-", "--", "-app_", "app_", "msg_", "-msg_", "msg_000000000000000000000000000", "-msg_000000000000000000000000000",
	"msg_aWgEPTl1tmebfsQzFP4bxwgy80V", "-msg_aWgEPTl1tmebfsQzFP4bxwgy80V", "atmpt_000000000000000000000000000",
	"-atmpt_000000000000000000000000000", "-atmpt_aWgEPTl1tmebfsQzFP4bxwgy80V", "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz", "zzzz", "~", "\x7f", "\x80",
	"0", "-1", "1.5", "1e3", "250", "251", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
	"true", "null", "[]", "{}", "ascending", "'; --", strings.Repeat("a", 3000), strings.Repeat("é", 9000),
	"0000-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59", "0001-01-01", "1969-12-31", "2014-05-13T16:53:20Z", "9999-12-31T23:59:59Z",
	"9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00Z", "300000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-01-31 09:30:00 UTC",
}

// TestNastyValuesInPathsAndQueries puts each text into each parameter, both escaped and unescaped.
func TestNastyValuesInPathsAndQueries(t *testing.T) {
	t.Parallel()
	w, all := newWorld(t), operations(t)
	w.populate(t)
	for _, op := range all {
		for _, text := range nastyTexts {
			for _, name := range op.path {
				r := op.good
				if !strings.Contains(r.target, name) {
					t.Fatalf("%s has no %s", r.target, name)
				}
				r.target = strings.Replace(r.target, name, url.PathEscape(text), 1)
				w.wantStill(t, all, r)
			}
			for _, name := range op.query {
				r := op.good
				r.target += "?" + name + "=" + url.QueryEscape(text)
				w.wantStill(t, all, r)
			}
		}
	}
}

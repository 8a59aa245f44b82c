package app

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzAPI sends requests of any kind to the API on a real Postgres. Whatever a client sends, nothing of
// it is our fault, and the answer is JSON. The seeds are a good request of every operation of the
// contract, alone and with each field and parameter that it may have; {app_id} and its like stand for ids.
func FuzzAPI(f *testing.F) {
	for _, op := range operations(f) {
		seeds := []request{op.good}
		for _, name := range slices.Sorted(maps.Keys(op.more)) {
			seeds = append(seeds, op.with(name, string(op.more[name])))
		}
		for _, r := range seeds {
			f.Add(r.method, r.target+goodQuery(op), r.body, "")
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, method, target, body, key string) {
		if w.ids == nil {
			w.populate(t)
		}
		r := request{method, target, body, key}
		if _, err := w.read(r); err != nil {
			t.Skip()
		}
		answer := w.wantNoFailure(t, r)
		if method != http.MethodGet && answer.Code/100 == 2 {
			w.ids = nil // what the next request needs may be gone
		}
	})
}

// FuzzFields puts any values into two fields or parameters of an operation's good request, so that it
// comes further than FuzzAPI; then all that can be read is read. A value that is not JSON is a text.
func FuzzFields(f *testing.F) {
	all := operations(f)
	places := places(all)
	for i, p := range places {
		value := p.value
		if len(value) == 0 {
			value = p.operation.values[p.name]
		}
		f.Add(uint16(i), uint16(i+1), value, nastyTexts[i%len(nastyTexts)], i%2 == 0)
	}
	for i, value := range slices.Concat(nastyJSON, nastyTimes) {
		if len(value) < 1000 {
			f.Add(uint16(i*7), uint16(i*11), value, "null", false)
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, one, two uint16, value, other string, keyed bool) {
		if w.ids == nil {
			w.populate(t)
		}
		first, second := places[int(one)%len(places)], places[int(two)%len(places)]
		op := first.operation
		r := op.good
		if first.in == "body" && second.in == "body" && op.fields[second.name] != nil {
			op.fields = maps.Clone(op.fields)
			op.fields[second.name] = json.RawMessage(asJSON(other))
		}
		switch first.in {
		case "body":
			r = op.with(first.name, asJSON(value))
		case "path":
			r.target = strings.Replace(r.target, first.name, url.PathEscape(value), 1)
		case "query":
			r.target += "?" + first.name + "=" + url.QueryEscape(value) + "&" + second.name + "=" + url.QueryEscape(other)
		}
		if keyed {
			r.key = "key"
		}
		if answer := w.wantNoFailure(t, r); r.method != http.MethodGet && answer.Code/100 == 2 {
			w.wantReadable(t, all, r)
			w.ids = nil
		}
	})
}

// A place is one for a value in an operation's request.
type place struct {
	operation       operation
	in, name, value string
}

func places(all []operation) []place {
	var places []place
	for _, op := range all {
		for _, name := range op.names() {
			value := op.fields[name]
			if value == nil {
				value = op.more[name]
			}
			places = append(places, place{op, "body", name, string(value)})
		}
		for _, name := range op.path {
			places = append(places, place{op, "path", name, "one"})
		}
		for _, name := range op.query {
			places = append(places, place{op, "query", name, ""})
		}
	}
	return places
}

// asJSON is a text as JSON, if it is not already.
func asJSON(text string) string {
	if json.Valid([]byte(text)) {
		return text
	}
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// goodQuery has a good value for each parameter, so that all of them are there to be changed.
func goodQuery(op operation) string {
	var query strings.Builder
	for _, name := range op.query {
		query.WriteString(map[bool]string{true: "?", false: "&"}[query.Len() == 0] + name + "=" + op.values[name])
	}
	return query.String()
}

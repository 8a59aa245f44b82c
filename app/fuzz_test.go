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

// FuzzAPI sends arbitrary requests to the API on a real Postgres. No request may cause an internal error, and every
// response is JSON. The seeds are a valid request of every operation of the contract, alone and with each optional
// field and parameter; placeholders such as {app_id} stand for ids.
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
			w.ids = nil // ids that the next request needs may be deleted
		}
	})
}

// FuzzFields puts arbitrary values into two fields or parameters of an operation's valid request, which reaches
// further than FuzzAPI; then it reads everything that can be read. A value that is not JSON becomes a string.
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

// A place is where a value goes in an operation's request.
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

// asJSON returns a text as JSON, unless it is JSON already.
func asJSON(text string) string {
	if json.Valid([]byte(text)) {
		return text
	}
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// goodQuery returns a query with a valid value for each parameter, so that each of them can be changed.
func goodQuery(op operation) string {
	var query strings.Builder
	for _, name := range op.query {
		query.WriteString(map[bool]string{true: "?", false: "&"}[query.Len() == 0] + name + "=" + op.values[name])
	}
	return query.String()
}

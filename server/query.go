package server

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// arrayParameters names the query parameters of the contract that are lists.
var arrayParameters = []string{"event_types"}

// canonicalQuery writes each list in a raw query the one way that the generated binding reads. SDKs
// and browsers have four: a=x,y and a=x&a=y and a[]=x and a[0]=x; all of one name are merged into
// a=x,y. Empty items are dropped, and so is a list without any other: asking for no event type in
// particular is not asking for none. Other parameters keep their values. An error means that the
// query cannot be read at all, or holds what Postgres cannot take as text.
func canonicalQuery(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", err
	}

	lists := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if slices.ContainsFunc(values[key], func(value string) bool { return !isText(value) }) {
			return "", errors.New("a value is not UTF-8 or holds a NUL character")
		}
		name := listName(key)
		if !slices.Contains(arrayParameters, name) {
			continue
		}
		for _, value := range values[key] {
			lists[name] = append(lists[name], strings.Split(value, ",")...)
		}
		delete(values, key)
	}
	for name, items := range lists {
		items = slices.DeleteFunc(items, func(item string) bool { return item == "" })
		if len(items) > 0 {
			values.Set(name, strings.Join(items, ","))
		}
	}
	return values.Encode(), nil
}

// listName takes the [] or [0] off a key.
func listName(key string) string {
	name, index, found := strings.Cut(key, "[")
	if found && strings.TrimLeft(index, "0123456789") == "]" {
		return name
	}
	return key
}

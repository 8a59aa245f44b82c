package server

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// arrayParameters lists the query parameters of the contract that are lists.
var arrayParameters = []string{"event_types"}

// canonicalQuery rewrites each list in a raw query to the one form that the generated binding reads. SDKs and
// browsers use four forms: a=x,y and a=x&a=y and a[]=x and a[0]=x; all of one name are merged into a=x,y. Empty items
// are dropped, and so is a list that has only empty items: it means no filter, not a filter that matches nothing.
// Other parameters keep their values. It returns an error if the query cannot be parsed, or contains text that
// Postgres cannot store.
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

// listName removes the [] or [0] suffix from a key.
func listName(key string) string {
	name, index, found := strings.Cut(key, "[")
	if found && strings.TrimLeft(index, "0123456789") == "]" {
		return name
	}
	return key
}

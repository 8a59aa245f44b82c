package server

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/postrider/postrider/core"
)

// aliases maps core's name of a field to the other name that a body may use for it. filterTypes is not listed because
// existing servers call it eventTypes in errors, whichever name was sent.
var aliases = map[string]string{
	"featureFlag":            "featureFlags",
	"payload":                "data",
	"payloadRetentionPeriod": "payloadRetentionHours",
	"throttleRate":           "rateLimit",
}

// asSent renames fields to the names that the body uses for them.
func asSent(fields []core.Field, body []byte) []core.Field {
	if len(fields) == 0 || len(body) == 0 {
		return fields
	}
	fields = slices.Clone(fields)
	top, ok := object(body)
	for i, f := range fields {
		if !ok || len(f.Loc) < 2 || f.Loc[0] != "body" {
			continue
		}
		within, last := top, 1
		if f.Loc[1] == "application" && len(f.Loc) > 2 {
			within, _ = object(top["application"])
			last = 2
		}
		fields[i].Loc = slices.Clone(f.Loc)
		fields[i].Loc[last] = nameSent(f.Loc[last], within)
	}
	return fields
}

// nameSent returns the name that an object uses for a field or for an item of a field.
func nameSent(name string, within map[string]json.RawMessage) string {
	field, _, _ := strings.Cut(name, "[")
	other := aliases[field]
	if _, named := within[field]; named || within[other] == nil {
		return name
	}
	return other + name[len(field):]
}

func object(text []byte) (map[string]json.RawMessage, bool) {
	var o map[string]json.RawMessage
	err := json.Unmarshal(text, &o)
	return o, err == nil
}

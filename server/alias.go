package server

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/postrider/postrider/core"
)

// aliases are the other names that a body may give to fields, by the names that core has for them.
// filterTypes is not among them: existing servers call it eventTypes whichever was sent.
var aliases = map[string]string{
	"featureFlag":            "featureFlags",
	"payload":                "data",
	"payloadRetentionPeriod": "payloadRetentionHours",
	"throttleRate":           "rateLimit",
}

// asSent names the fields of a body by the names that it has for them.
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

// nameSent is the name of a field, or of an item of it, in an object.
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

package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/fieldtest"
)

// left maps the JSON names of fields that are not carried to the reason.
type left map[string]string

// jsonFields returns the fields of a value as JSON by their names in lower case. Fields of an object named health are
// included at the top level.
func jsonFields(t *testing.T, of any) map[string]any {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	lower := map[string]any{}
	for name, value := range fields {
		if inner, ok := value.(map[string]any); ok && strings.EqualFold(name, "health") {
			for name, value := range inner {
				lower[strings.ToLower(name)] = value
			}
			continue
		}
		lower[strings.ToLower(name)] = value
	}
	return lower
}

// carried checks that every field of from is in to, under its own name or the one in names, except those in left,
// which must not be.
func carried(t *testing.T, how string, from, to map[string]any, names map[string]string, left left) {
	t.Helper()
	for name, value := range from {
		as := name
		if names[name] != "" {
			as = names[name]
		}
		got, there := to[as]
		_, isLeft := left[name]
		switch {
		case isLeft && there && reflect.DeepEqual(got, value):
			t.Errorf("%s: %s is carried; take it off the list of those that are not", how, name)
		case !isLeft && !reflect.DeepEqual(got, value):
			t.Errorf("%s: %s got lost: got %v, want %v", how, name, got, value)
		}
	}
	for name := range left {
		if _, there := from[name]; !there {
			t.Errorf("%s: there is no field %s", how, name)
		}
	}
}

// answersAll checks that no field of an answer is missing or empty.
func answersAll(t *testing.T, how string, out any, got map[string]any, left left) {
	t.Helper()
	for field := range reflect.TypeOf(out).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		name = strings.ToLower(name)
		if name == "health" {
			continue // its fields are among got
		}
		if value := got[name]; value == nil || reflect.ValueOf(value).IsZero() || value == json.Number("0") {
			if left[name] == "" {
				t.Errorf("%s: %s says nothing: %v", how, name, value)
			}
		}
	}
}

func filler() *fieldtest.Filler {
	return fieldtest.New(testNow,
		func(int) core.Secret { return core.NewSecret() },
		func(int) core.AttemptStatus { return core.StatusFail },
		func(int) core.Trigger { return core.TriggerManual },
		func(n int) json.RawMessage { return fmt.Appendf(nil, `{"%d":{}}`, n) },
	)
}

// Every stored field is returned. A new field of an entity is checked without a change to this test.
func TestEntityFieldsAreAnswered(t *testing.T) {
	t.Parallel()
	f := filler()
	app, et, e := fieldtest.Fill[core.Application](f), fieldtest.Fill[core.EventType](f), fieldtest.Fill[core.Endpoint](f)
	m, a := fieldtest.Fill[core.Message](f), fieldtest.Fill[core.Attempt](f)
	m.Payload = new(`{"a":1}`)
	task := fieldtest.Fill[core.BackgroundTask](f)
	task.Data.MessagesProcessed, task.Data.Error = &task.Processed, *task.Error
	e.URL, a.URL = "https://n.example/", "https://n.example/"

	const known, secret, internal, other = "in the path, or the token's", "has an operation of its own", "not the client's business", "shown where it was sent"
	endpointLeft := left{
		"appid": known, "secret": secret, "headers": secret, "oldsecrets": secret, "oldsecretsexpireat": secret,
	}
	const noHealth = "the list says what the delivery does, not how the endpoint fares"
	with := func(some left, more left) left {
		all := left{}
		maps.Copy(all, some)
		maps.Copy(all, more)
		return all
	}
	messageNames := map[string]string{"createdat": "timestamp"}
	messageLeft := left{
		"appid": known, "expiresat": internal, "contenttype": other, "traceparent": internal, "payload": "a text that is answered as JSON",
	}
	health := left{"failingsince": noHealth, "failures": noHealth, "pauseduntil": noHealth, "disabledreason": noHealth}
	for name, c := range map[string]struct {
		entity, out any
		names       map[string]string
		left        left
		silent      left // fields of the answer
	}{
		"application": {app, applicationOut(app), nil, left{"orgid": known}, nil},
		"event type":  {et, eventTypeOut(et), nil, left{"orgid": known}, nil},
		"endpoint":    {e, endpointOut(e), nil, endpointLeft, nil},
		"operational endpoint": {e, operationalEndpointOut(e), nil, with(with(endpointLeft, health),
			left{"version": "these have none", "channels": "these have none", "fifo": "these have none"}), nil},
		"destination": {e, messageEndpointOut(core.Destination{Endpoint: e, Status: core.StatusFail, NextAt: &testNow}), nil,
			with(with(endpointLeft, health), left{"metadata": "not in the contract", "fifo": "not in the contract"}), nil},
		"message": {m, messageOut(m, true), messageNames, messageLeft, nil},
		"attempted message": {m, endpointMessageOut(core.AttemptedMessage{Message: m, Status: core.StatusFail, NextAt: &testNow}, true),
			messageNames, messageLeft, nil},
		"attempt": {a, attemptOut(a), map[string]string{
			"messageid": "msgid", "durationms": "responsedurationms", "trigger": "triggertype", "createdat": "timestamp",
		}, left{"appid": known}, left{"msg": "only where it is asked for"}},
		"background task": {task, taskOut(task), nil, left{
			"orgid": known, "appid": internal, "endpointid": internal, "parameters": internal, "cursor": internal, "failures": internal,
			"createdat": "told by the id", "nextat": internal, "processed": "in data", "error": "in data",
		}, nil},
	} {
		got := jsonFields(t, c.out)
		carried(t, name, jsonFields(t, c.entity), got, c.names, c.left)
		answersAll(t, name, c.out, got, c.silent)
	}
}

// Every field of a body is stored and returned at once. A new field of the contract is checked without a change to
// this test.
func TestBodyFieldsAreStored(t *testing.T) {
	t.Parallel()
	const alias = "an older name: to give both would be a fault"
	endpointAliases := left{"rateLimit": alias, "filterTypes": alias}
	sealed := left{"headers": "secret", "secret": "secret"}
	for name, c := range map[string]struct {
		method, path string
		body         any
		without      left                 // fields that are not sent
		with         map[string]any       // values of fields that do not accept any text
		stored       func(f *fixture) any // the entity
		silent       left                 // fields that are not answered
		names        map[string]string
	}{
		"application, POST":  {"POST", "/app", fieldtest.Fill[ApplicationIn](filler()), left{"rateLimit": alias}, nil, lastApp, nil, nil},
		"application, PUT":   {"PUT", "/app/two", fieldtest.Fill[ApplicationIn](filler()), left{"rateLimit": alias}, nil, lastApp, nil, nil},
		"application, PATCH": {"PATCH", "/app/two", fieldtest.Fill[ApplicationPatch](filler()), left{"rateLimit": alias}, nil, lastApp, nil, nil},
		"endpoint, POST":     {"POST", "/app/one/endpoint", fieldtest.Fill[EndpointIn](filler()), endpointAliases, endpointValues, lastEndpoint, sealed, nil},
		"endpoint, PUT":      {"PUT", "/app/one/endpoint/off", fieldtest.Fill[EndpointUpdate](filler()), endpointAliases, endpointValues, offEndpoint, nil, nil},
		"endpoint, PATCH":    {"PATCH", "/app/one/endpoint/off", fieldtest.Fill[EndpointPatch](filler()), endpointAliases, endpointValues, offEndpoint, nil, nil},
		"event type, POST":   {"POST", "/event-type", fieldtest.Fill[EventTypeIn](filler()), left{"featureFlag": alias}, nil, lastType, nil, nil},
		"event type, PUT":    {"PUT", "/event-type/b.secret", fieldtest.Fill[EventTypeUpdate](filler()), left{"featureFlag": alias}, nil, lastType, nil, nil},
		"event type, PATCH":  {"PATCH", "/event-type/b.secret", fieldtest.Fill[EventTypePatch](filler()), left{"featureFlag": alias}, nil, lastType, nil, nil},
		"operational endpoint, POST": {"POST", "/operational-webhook/endpoint", fieldtest.Fill[OperationalWebhookEndpointIn](filler()),
			endpointAliases, operationalValues, lastEndpoint, sealed, nil},
		"operational endpoint, PUT": {"PUT", "/operational-webhook/endpoint/ops", fieldtest.Fill[OperationalWebhookEndpointUpdate](filler()),
			endpointAliases, operationalValues, lastEndpoint, nil, nil},
		"message, POST": {"POST", "/app/one/msg", fieldtest.Fill[MessageIn](filler()), left{
			"data": alias, "payloadRetentionPeriod": alias, "transformationsParams": "takes the payload's place",
			"application": "there is one", "payloadRetentionHours": "stored as the time it is over",
		}, map[string]any{"deliverAt": "2026-01-31T10:30:00.123456Z", "payload": map[string]any{"a": "b"}}, lastMessage, nil, nil},
	} {
		f := newFixture(t)
		body := fieldsOf(t, c.body)
		for field := range c.without {
			if _, there := body[field]; !there {
				t.Errorf("%s: there is no field %s", name, field)
			}
			delete(body, field)
		}
		for field, value := range c.with {
			if _, there := body[field]; there {
				body[field] = value
			}
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		w := f.ask(t, c.method, "/api/v1"+c.path, string(text))
		if w.Code >= http.StatusMultipleChoices {
			t.Errorf("%s: %d: %s", name, w.Code, w.Body)
			continue
		}
		sent := jsonFields(t, body)
		carried(t, name+", answered", sent, jsonFields(t, json.RawMessage(w.Body.Bytes())), c.names, c.silent)
		stored := jsonFields(t, c.stored(f))
		if e, ok := c.stored(f).(core.Endpoint); ok && body["secret"] != nil {
			stored["secret"] = e.Secret.Text()
		}
		if m, ok := c.stored(f).(core.Message); ok {
			stored["payload"] = jsonFields(t, json.RawMessage(*m.Payload))
		}
		carried(t, name+", stored", sent, stored, c.names, nil)
	}
}

var (
	endpointValues = map[string]any{
		"url": "https://n.example/", "eventTypes": []string{"a.made"}, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	}
	operationalValues = map[string]any{
		"url": "https://n.example/", "eventTypes": []string{"endpoint.disabled"}, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	}
)

func lastApp(f *fixture) any {
	i := slices.IndexFunc(f.store.apps, func(app core.Application) bool { return !strings.HasPrefix(app.Name, "Ours") && app.OrgID == "org_a" })
	return f.store.apps[i]
}

func lastEndpoint(f *fixture) any { return f.store.endpoints[len(f.store.endpoints)-1] }
func lastType(f *fixture) any     { return f.store.types[len(f.store.types)-1] }
func lastMessage(f *fixture) any  { return f.store.messages[len(f.store.messages)-1] }
func offEndpoint(f *fixture) any  { return f.store.endpoints[2] }

func fieldsOf(t *testing.T, of any) map[string]any {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// An empty patch changes nothing.
func TestEmptyPatchKeepsEveryField(t *testing.T) {
	t.Parallel()
	fixture, f := newFixture(t), filler()
	app, et, e := fieldtest.Fill[core.Application](f), fieldtest.Fill[core.EventType](f), fieldtest.Fill[core.Endpoint](f)
	app.OrgID, et.OrgID, e.AppID, e.URL = "org_a", "org_a", app.ID, "https://n.example/"
	s := fixture.store
	s.apps, s.types, s.endpoints = []core.Application{app}, []core.EventType{et}, []core.Endpoint{e}
	for _, path := range []string{
		"/app/" + string(app.ID), "/event-type/" + et.Name, "/app/" + string(app.ID) + "/endpoint/" + string(e.ID),
	} {
		wantStatus(t, fixture.ask(t, "PATCH", "/api/v1"+path, "{}"), http.StatusOK)
	}
	now := fieldtest.Left{"UpdatedAt": "now"}
	fieldtest.Same(t, "application", s.apps[0], app, now)
	fieldtest.Same(t, "event type", s.types[0], et, now)
	fieldtest.Same(t, "endpoint", s.endpoints[0], e, now)
}

package core_test

import (
	"encoding/json"
	"testing"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

func TestMessageSendExampleGoesToOneEndpoint(t *testing.T) {
	t.Parallel()
	schemas := json.RawMessage(`{"1":{"examples":[{"n":1},{"n":2}]}}`)
	for name, test := range map[string]struct {
		change    func(*coretest.Store)
		eventType string
		index     int
		payload   string // empty: refused
		delivered int
		kind      core.Kind
		code      string
	}{
		"first":             {nil, "order.placed", 0, `{"n":1}`, 1, 0, ""},
		"second":            {nil, "order.placed", 1, `{"n":2}`, 1, 0, ""},
		"ping":              {nil, core.PingEventType, 0, `{"success": true}`, 1, 0, ""},
		"not subscribed":    {func(s *coretest.Store) { s.Endpoints[0].EventTypes = []string{"a"} }, "order.placed", 0, `{"n":1}`, 0, 0, ""},
		"no example":        {func(s *coretest.Store) { s.EventTypes[0].Schemas = nil }, "order.placed", 0, "", 0, core.KindBadRequest, "invalid_scheme"},
		"unknown type":      {nil, "other", 0, "", 0, core.KindNotFound, "not_found"},
		"bad type":          {nil, "a b", 0, "", 0, core.KindInvalid, ""},
		"disabled endpoint": {func(s *coretest.Store) { s.Endpoints[0].Disabled = true }, "order.placed", 0, "", 0, core.KindConflict, "endpoint_disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			store.EventTypes[0].Schemas = schemas
			store.Endpoints = append(store.Endpoints, core.Endpoint{AppID: "app_1", ID: "ep_2"})
			if test.change != nil {
				test.change(store)
			}
			m, err := service.MessageSendExample(t.Context(), scope, "acme", "ep_1", test.eventType, test.index)
			if test.payload == "" {
				wantError(t, err, test.kind, test.code)
				if len(store.Messages) != 1 {
					t.Error("a message is stored nevertheless")
				}
				return
			}
			if err != nil || *m.Payload != test.payload || m.EventType != test.eventType || len(store.Messages) != 2 {
				t.Errorf("sent %+v, %v", m, err)
			}
			if d := store.Deliveries; len(d) != test.delivered || len(d) > 0 && d[0].EndpointID != "ep_1" {
				t.Errorf("delivers %+v", d)
			}
		})
	}
}

package core_test

import (
	"testing"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

func TestMessageResendAddsAManualDelivery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*coretest.Store)
		message  string
		endpoint string
		kind     core.Kind // 0: accepted
		code     string
	}{
		"failed":                 {func(*coretest.Store) {}, "event_1", "main", 0, ""},
		"succeeded":              {func(s *coretest.Store) { s.Attempts[0].Status = core.StatusSuccess }, "event_1", "main", 0, ""},
		"never sent there":       {func(s *coretest.Store) { s.Attempts = nil }, "event_1", "main", 0, ""},
		"unsubscribed":           {func(s *coretest.Store) { s.Endpoints[0].EventTypes = []string{"other"} }, "event_1", "main", 0, ""},
		"disabled endpoint":      {func(s *coretest.Store) { s.Endpoints[0].Disabled = true }, "event_1", "main", core.KindConflict, "endpoint_disabled"},
		"expired payload":        {func(s *coretest.Store) { s.Messages[0].ExpiresAt = now }, "event_1", "main", core.KindBadRequest, "missing_payload"},
		"expunged payload":       {func(s *coretest.Store) { s.Messages[0].Payload = nil }, "event_1", "main", core.KindBadRequest, "missing_payload"},
		"unknown message":        {func(*coretest.Store) {}, "event_2", "main", core.KindNotFound, "not_found"},
		"unknown endpoint":       {func(*coretest.Store) {}, "event_1", "other", core.KindNotFound, "not_found"},
		"other's endpoint":       {func(s *coretest.Store) { s.Endpoints[0].AppID = "app_2" }, "event_1", "main", core.KindNotFound, "not_found"},
		"application is missing": {func(s *coretest.Store) { s.Applications = nil }, "event_1", "main", core.KindNotFound, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			test.change(store)
			err := service.MessageResend(t.Context(), scope, "acme", test.message, test.endpoint)
			if test.kind != 0 {
				wantError(t, err, test.kind, test.code)
				if len(store.Deliveries) != 0 {
					t.Errorf("delivers %+v", store.Deliveries)
				}
				return
			}
			if d := store.Deliveries; err != nil || len(d) != 1 || !d[0].Manual || d[0].MessageID != sentMessage || d[0].EndpointID != "ep_1" {
				t.Errorf("delivers %+v, %v", d, err)
			}
		})
	}
}

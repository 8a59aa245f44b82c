package core_test

import (
	"context"
	"testing"

	"github.com/postrider/postrider/core"
)

// calls are use cases of an application and the capability that a token of the application needs for each. Without a
// capability, only a token of the organisation may call it.
var calls = []struct {
	name  string
	needs core.Capability
	call  func(context.Context, *core.Service, core.Scope) error
}{
	{"application get", core.CapabilityViewBase, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.ApplicationGet(ctx, scope, "acme")
		return err
	}},
	{"application patch", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.ApplicationPatch(ctx, scope, "acme", func(a *core.ApplicationIn) { a.Name = "B" })
		return err
	}},
	{"endpoint get", core.CapabilityViewBase, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EndpointGet(ctx, scope, "acme", "ep_1")
		return err
	}},
	{"endpoint create", core.CapabilityManageEndpoint, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EndpointCreate(ctx, scope, "acme", endpointIn("two"))
		return err
	}},
	{"endpoint patch", core.CapabilityManageEndpoint, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EndpointPatch(ctx, scope, "acme", "ep_1", func(e *core.EndpointIn) { e.Description = "d" })
		return err
	}},
	{"endpoint headers patch", core.CapabilityManageEndpoint, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		return s.EndpointHeadersPatch(ctx, scope, "acme", "ep_1", core.HeadersPatch{Delete: []string{"x-a"}})
	}},
	{"endpoint delete", core.CapabilityManageEndpoint, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		return s.EndpointDelete(ctx, scope, "acme", "ep_1")
	}},
	{"secret get", core.CapabilityViewEndpointSecret, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EndpointSecretGet(ctx, scope, "acme", "ep_1")
		return err
	}},
	{"secret rotate", core.CapabilityManageEndpointSecret, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EndpointSecretRotate(ctx, scope, "acme", "ep_1", core.SecretRotateIn{})
		return err
	}},
	{"event type get", core.CapabilityViewBase, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EventTypeGet(ctx, scope, "order.placed")
		return err
	}},
	{"message create", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.MessageCreate(ctx, scope, "acme", core.MessageIn{EventType: "order.placed", Payload: []byte("{}")})
		return err
	}},
	{"message get", core.CapabilityViewBase, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.MessageGet(ctx, scope, "acme", "event_1")
		return err
	}},
	{"message expunge", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		return s.MessageExpunge(ctx, scope, "acme", "event_1")
	}},
	{"message resend", core.CapabilityCreateAttempts, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		return s.MessageResend(ctx, scope, "acme", "event_1", "ep_1")
	}},
	{"recover", core.CapabilityCreateAttempts, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.EndpointRecover(ctx, scope, "acme", "ep_1", core.PeriodIn{Since: now})
		return err
	}},
	{"attempt list", core.CapabilityViewBase, func(ctx context.Context, s *core.Service, scope core.Scope) error {
		page := tenRows
		_, err := s.AttemptListByEndpoint(ctx, scope, "acme", "ep_1", core.AttemptFilter{}, false, page)
		return err
	}},
	{"attempt expunge", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		return s.AttemptExpunge(ctx, scope, "acme", "event_1", sentAttempt)
	}},
	{"usage", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.StatsUsageEventTypes(ctx, scope)
		return err
	}},
	{"operational endpoint create", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		_, err := s.OperationalWebhookEndpointCreate(ctx, scope, endpointIn("o"))
		return err
	}},
	{"tokens expire", "", func(ctx context.Context, s *core.Service, scope core.Scope) error {
		return s.AuthExpireAll(ctx, scope, "acme", core.AuthExpireAllIn{})
	}},
}

func TestCapabilityDecidesWhatATokenMayCall(t *testing.T) {
	t.Parallel()
	all := []core.Capability{
		core.CapabilityViewBase, core.CapabilityViewEndpointSecret, core.CapabilityManageEndpointSecret,
		core.CapabilityManageEndpoint, core.CapabilityCreateAttempts,
	}
	for _, test := range calls {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			call := func(scope core.Scope) error {
				service, _ := newSent(core.EndpointRules{})
				return test.call(t.Context(), service, scope)
			}
			if err := call(scope); err != nil {
				t.Errorf("a token of the organisation: %v", err)
			}
			app := core.Scope{OrgID: "org_a", AppID: "app_1"}
			if err := call(app); (err == nil) != (test.needs != "") || err != nil && !core.IsKind(err, core.KindForbidden) {
				t.Errorf("a token of the application: %v", err)
			}
			app.Capabilities = []core.Capability{core.CapabilityViewBase, test.needs}
			if err := call(app); (err == nil) != (test.needs != "") {
				t.Errorf("a token with %s: %v", app.Capabilities, err)
			}
			app.Capabilities = nil
			for _, c := range all {
				if c != test.needs && (c != core.CapabilityManageEndpoint && c != core.CapabilityManageEndpointSecret) {
					app.Capabilities = append(app.Capabilities, c)
				}
			}
			if err := call(app); !core.IsKind(err, core.KindForbidden) {
				t.Errorf("a token with only %s: %v", app.Capabilities, err)
			}
		})
	}
}

func TestCapabilityOfAnotherApplicationReachesNothing(t *testing.T) {
	t.Parallel()
	for _, test := range calls {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			err := test.call(t.Context(), service, core.Scope{OrgID: "org_a", AppID: "app_2"})
			if test.name == "event type get" { // event types belong to the organisation
				return
			}
			if !core.IsKind(err, core.KindNotFound) && !core.IsKind(err, core.KindForbidden) {
				t.Errorf("a token of another application: %v", err)
			}
			err = test.call(t.Context(), service, core.Scope{OrgID: "org_b"})
			if test.name == "usage" || test.name == "operational endpoint create" { // of org_b
				return
			}
			if !core.IsKind(err, core.KindNotFound) || len(store.Told)+len(store.Tasks)+len(store.Deliveries) != 0 {
				t.Errorf("a token of another organisation: %v", err)
			}
		})
	}
}

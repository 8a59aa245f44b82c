package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// operationalOrg is the organisation that stores operational-webhook endpoints. Changing it would lose them.
const operationalOrg core.OrgID = "org_00000000000OperationalWebhook"

func (w *world) addOperational(org core.OrgID, uid string) core.Endpoint {
	w.t.Helper()
	in := core.EndpointIn{UID: &uid, URL: "https://ops.example/", Version: 1, EventTypes: []string{"endpoint.disabled"}}
	e, err := w.service().OperationalWebhookEndpointCreate(w.t.Context(), core.Scope{OrgID: org}, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *world) listOperational(scope core.Scope) ([]core.Endpoint, error) {
	w.t.Helper()
	page, err := core.NewEndpointPage(core.PageIn{Descending: true})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := w.service().OperationalWebhookEndpointList(w.t.Context(), scope, page)
	if err == nil && !l.Done {
		w.t.Errorf("%s has more than a page of operational-webhook endpoints", scope.OrgID)
	}
	return l.Data, err
}

func TestOperationalEndpointsAreTheirOrganisationsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours, theirs := w.addOperational(testOrg, "ops"), w.addOperational("org_other", "ops")
	for org, want := range map[core.OrgID][]core.EndpointID{testOrg: {ours.ID}, "org_other": {theirs.ID}, "org_third": nil} {
		list, err := w.listOperational(core.Scope{OrgID: org})
		var got []core.EndpointID
		for _, e := range list {
			got = append(got, e.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s lists %v, %v; want %v", org, got, err, want)
		}
	}
	s := w.service()
	for name, call := range map[string]func(context.Context, core.Scope) error{
		"get": func(ctx context.Context, scope core.Scope) error {
			_, err := s.OperationalWebhookEndpointGet(ctx, scope, string(ours.ID))
			return err
		},
		"secret": func(ctx context.Context, scope core.Scope) error {
			_, err := s.OperationalWebhookEndpointSecretGet(ctx, scope, string(ours.ID))
			return err
		},
		"rotate": func(ctx context.Context, scope core.Scope) error {
			return s.OperationalWebhookEndpointSecretRotate(ctx, scope, string(ours.ID), core.SecretRotateIn{})
		},
		"headers": func(ctx context.Context, scope core.Scope) error {
			_, _, err := s.OperationalWebhookEndpointHeadersGet(ctx, scope, string(ours.ID))
			return err
		},
		"set headers": func(ctx context.Context, scope core.Scope) error {
			return s.OperationalWebhookEndpointHeadersUpdate(ctx, scope, string(ours.ID), core.Headers{"X-A": "1"})
		},
		"delete": func(ctx context.Context, scope core.Scope) error {
			return s.OperationalWebhookEndpointDelete(ctx, scope, string(ours.ID))
		},
	} {
		for scope, want := range map[*core.Scope]core.Kind{
			{OrgID: "org_other"}:                    core.KindNotFound,
			{OrgID: "org_third"}:                    core.KindNotFound,
			{OrgID: testOrg, AppID: w.app.ID}:       core.KindForbidden,
			{OrgID: testOrg, AppID: ours.AppID}:     core.KindForbidden,
			{OrgID: "org_other", AppID: "app_none"}: core.KindForbidden,
		} {
			if err := call(t.Context(), *scope); !core.IsKind(err, want) {
				t.Errorf("%s by %+v: %v", name, *scope, err)
			}
		}
	}
	if got, err := s.OperationalWebhookEndpointGet(t.Context(), core.Scope{OrgID: testOrg}, "ops"); err != nil || got.ID != ours.ID || len(got.Headers) != 0 {
		t.Errorf("afterwards ours is %+v, %v", got, err)
	}
}

func TestOperationalEndpointsHaveNoPathThroughApplications(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, s, ctx := w.addOperational(testOrg, "ops"), w.service(), t.Context()
	page, err := core.NewEndpointPage(core.PageIn{})
	if err != nil {
		t.Fatal(err)
	}
	if apps, err := s.ApplicationList(ctx, core.Scope{OrgID: testOrg}, core.ApplicationFilter{}, page); err != nil || len(apps.Data) != 1 || apps.Data[0].ID != w.app.ID {
		t.Errorf("applications are %+v, %v; want the one that was made", apps, err)
	}
	for _, scope := range []core.Scope{{OrgID: testOrg}, {OrgID: "org_other"}, {OrgID: testOrg, AppID: e.AppID}, {OrgID: testOrg, AppID: w.app.ID}} {
		for _, app := range []string{string(e.AppID), string(testOrg), string(w.app.ID)} {
			if _, err := s.EndpointGet(ctx, scope, app, string(e.ID)); !core.IsKind(err, core.KindNotFound) {
				t.Errorf("%+v gets it by the application %s: %v", scope, app, err)
			}
			if err := s.EndpointDelete(ctx, scope, app, string(e.ID)); !core.IsKind(err, core.KindNotFound) {
				t.Errorf("%+v deletes it by the application %s: %v", scope, app, err)
			}
		}
		if err := s.ApplicationDelete(ctx, scope, string(e.AppID)); err == nil {
			t.Errorf("%+v deletes the application", scope)
		}
	}
	if _, err := w.EndpointGet(ctx, e.AppID, string(e.ID)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Organisations can have any name. Their operational webhooks work even if the name would not be a valid uid.
func TestAnyOrganisationCanHaveOperationalEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, org := range []core.OrgID{"org_", "org_a b/c'%", "org_äöü\n☃", "org_app_1", core.OrgID("org_" + strings.Repeat("x", 252))} {
		w.addOperational(org, "ops")
		if list, err := w.listOperational(core.Scope{OrgID: org}); err != nil || len(list) != 1 {
			t.Errorf("%q lists %v, %v", org, list, err)
		}
	}
}

// overtaken runs a concurrent action right after an application was found not to exist.
type overtaken struct {
	*Store
	once sync.Once
	by   func()
}

func (o *overtaken) ApplicationGet(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	app, err := o.Store.ApplicationGet(ctx, org, ref)
	if core.IsKind(err, core.KindNotFound) {
		o.once.Do(o.by)
	}
	return app, err
}

func TestTheFirstOperationalEndpointsCanComeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.serviceOn(&overtaken{Store: w.Store, by: func() { w.addOperational(testOrg, "first") }}, time.Now)
	in := core.EndpointIn{URL: "https://ops.example/", Version: 1}
	if _, made, err := s.OperationalWebhookEndpointUpdate(t.Context(), core.Scope{OrgID: testOrg}, "none", in); err != nil || !made {
		t.Errorf("made %v, %v", made, err)
	}
	if list, err := w.listOperational(core.Scope{OrgID: testOrg}); err != nil || len(list) != 2 {
		t.Errorf("%d endpoints, %v; want both", len(list), err)
	}
}

func TestARefusedOperationalEndpointLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, in := range map[string]core.EndpointIn{
		"url":        {URL: "ops", Version: 1},
		"event type": {URL: "https://ops.example/", Version: 1, EventTypes: []string{"endpoint.created", "invoice.paid"}},
	} {
		if _, err := w.service().OperationalWebhookEndpointCreate(t.Context(), core.Scope{OrgID: testOrg}, in); !core.IsKind(err, core.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if apps := value[int](w, "SELECT count(*) FROM application WHERE org_id = $1", operationalOrg); apps != 0 {
		t.Errorf("%d applications of the reserved organisation", apps)
	}
}

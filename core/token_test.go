package core_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

// newTokens is newService with a key to sign tokens with.
func newTokens(clock *time.Time) (*core.Service, *coretest.Store, *coretest.Grants) {
	_, store := newService(core.EndpointRules{})
	grants := &coretest.Grants{}
	service := core.NewService(store, coretest.Inserter{Store: store}, grants, func() time.Time { return *clock }, core.EndpointRules{})
	return service, store, grants
}

func TestAuthAppPortalAccessGrants(t *testing.T) {
	t.Parallel()
	const view, secrets, manage = core.CapabilityViewBase, core.CapabilityViewEndpointSecret, core.CapabilityManageEndpoint
	for name, test := range map[string]struct {
		in   core.AppPortalAccessIn
		want []core.Capability // nil: all
	}{
		"all":                     {core.AppPortalAccessIn{}, nil},
		"some":                    {core.AppPortalAccessIn{Capabilities: []core.Capability{view, manage}}, []core.Capability{view, manage}},
		"read only":               {core.AppPortalAccessIn{ReadOnly: true}, []core.Capability{view}},
		"read only, less to read": {core.AppPortalAccessIn{ReadOnly: true, Capabilities: []core.Capability{view, manage}}, []core.Capability{view}},
		"read only with secrets": {
			core.AppPortalAccessIn{ReadOnly: true, Capabilities: []core.Capability{view, secrets, manage}}, []core.Capability{view, secrets},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, _, grants := newTokens(new(now))
			test.in.Seconds, test.in.SessionID, test.in.FeatureFlags = 3600, new("s-1"), []string{"beta"}
			token, err := service.AuthAppPortalAccess(t.Context(), scope, "acme", test.in)
			if err != nil || token != "token 1" {
				t.Fatal(token, err)
			}
			g := grants.All[0]
			if g.OrgID != "org_a" || g.AppID != "app_1" || g.Lifetime != time.Hour || g.SessionID != "s-1" ||
				!g.IssuedAt.Equal(now) || !slices.Equal(g.FeatureFlags, []string{"beta"}) {
				t.Errorf("granted %+v", g)
			}
			if (g.Capabilities == nil) != (test.want == nil) || !slices.Equal(g.Capabilities, test.want) {
				t.Errorf("granted %v, want %v", g.Capabilities, test.want)
			}
		})
	}
}

func TestAuthAppPortalAccessChecksItsInput(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*core.AppPortalAccessIn){
		"":                func(in *core.AppPortalAccessIn) { in.Seconds = 604_800 },
		"expiry":          func(in *core.AppPortalAccessIn) { in.Seconds = 3599 },
		"featureFlags":    func(in *core.AppPortalAccessIn) { in.FeatureFlags = slices.Repeat([]string{"a"}, 101) },
		"featureFlags[1]": func(in *core.AppPortalAccessIn) { in.FeatureFlags = []string{"a", ""} },
		"capabilities":    func(in *core.AppPortalAccessIn) { in.Capabilities = []core.Capability{} },
		"capabilities[1]": func(in *core.AppPortalAccessIn) { in.Capabilities = []core.Capability{core.CapabilityViewBase, "All"} },
		"sessionId":       func(in *core.AppPortalAccessIn) { in.SessionID = new("a.b") },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			service, _, grants := newTokens(new(now))
			in := core.AppPortalAccessIn{Seconds: 3600}
			change(&in)
			_, err := service.AuthAppPortalAccess(t.Context(), scope, "acme", in)
			if field != "" {
				wantField(t, err, field)
			} else if err != nil {
				t.Error(err)
			}
			if (len(grants.All) == 1) != (field == "") {
				t.Errorf("granted %+v", grants.All)
			}
		})
	}
	service, _, grants := newTokens(new(now))
	_, err := service.AuthAppPortalAccess(t.Context(), scope, "acme", core.AppPortalAccessIn{Seconds: 604_801})
	if wantField(t, err, "expiry"); grants.All != nil {
		t.Errorf("granted %+v", grants.All)
	}
}

func TestAuthAppPortalAccessMakesTheApplicationItComesWith(t *testing.T) {
	t.Parallel()
	service, store, grants := newTokens(new(now))
	in := core.AppPortalAccessIn{Seconds: 3600}
	_, err := service.AuthAppPortalAccess(t.Context(), scope, "new", in)
	wantError(t, err, core.KindNotFound, "not_found")
	in.Application = &core.ApplicationIn{Name: "New", UID: new("new")}
	for range 2 {
		if _, err := service.AuthAppPortalAccess(t.Context(), scope, "new", in); err != nil {
			t.Fatal(err)
		}
	}
	if len(store.Applications) != 2 || len(grants.All) != 2 || grants.All[0].AppID != store.Applications[1].ID {
		t.Errorf("granted %+v to %+v", grants.All, store.Applications)
	}
	in.Application.Name, in.Application.UID = "", new("newer")
	_, err = service.AuthAppPortalAccess(t.Context(), scope, "newer", in)
	if wantField(t, err, "name"); err != nil && !strings.Contains(err.Error(), "body application name") {
		t.Errorf("%v does not lead to the application", err)
	}
}

func TestAuthDashboardAccessGrantsAllForAWeek(t *testing.T) {
	t.Parallel()
	service, store, grants := newTokens(new(now))
	if _, err := service.AuthDashboardAccess(t.Context(), scope, "acme"); err != nil {
		t.Fatal(err)
	}
	if g := grants.All[0]; g.Lifetime != 7*24*time.Hour || g.Capabilities != nil {
		t.Errorf("granted %+v", g)
	}
	keyless := core.NewService(store, nil, coretest.Tokens{}, func() time.Time { return now }, core.EndpointRules{})
	if _, err := keyless.AuthDashboardAccess(t.Context(), scope, "acme"); err == nil {
		t.Error("a token is issued without a key")
	}
}

// revocation is a token, and whether it is to be revoked at some time.
type revocation struct {
	token   core.Token
	after   time.Duration
	revoked bool
}

func wantRevoked(t *testing.T, service *core.Service, clock *time.Time, tests map[string]revocation) {
	t.Helper()
	began := *clock
	for name, test := range tests {
		*clock = began.Add(test.after)
		if revoked, err := service.TokenIsRevoked(t.Context(), test.token); err != nil || revoked != test.revoked {
			t.Errorf("%s: revoked is %t, %v", name, revoked, err)
		}
	}
}

func TestAuthExpireAllRevokesOlderTokens(t *testing.T) {
	t.Parallel()
	of := func(app core.AppID, session string, issued time.Duration) core.Token {
		return core.Token{Scope: core.Scope{OrgID: "org_a", AppID: app}, SessionID: session, IssuedAt: now.Add(issued)}
	}
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		in    core.AuthExpireAllIn
		tests map[string]revocation
	}{
		"all at once": {core.AuthExpireAllIn{}, map[string]revocation{
			"older":                  {of("app_1", "", -day), 0, true},
			"with a session":         {of("app_1", "s", -day), 0, true},
			"by a clock behind ours": {of("app_1", "", -day), -15 * time.Minute, true},
			"newer":                  {of("app_1", "", time.Second), day, false},
			"another application's":  {of("app_2", "", -day), 0, false},
			"the organisation's":     {of("", "", -day), 0, false},
		}},
		"all in an hour": {core.AuthExpireAllIn{Seconds: 3600}, map[string]revocation{
			"until then": {of("app_1", "", -day), time.Hour - 1000, false},
			"then":       {of("app_1", "", -day), time.Hour, true},
			"newer":      {of("app_1", "", time.Minute), time.Hour, false},
		}},
		"a session": {core.AuthExpireAllIn{SessionIDs: []string{"s"}}, map[string]revocation{
			"of it":      {of("app_1", "s", -day), 0, true},
			"of another": {of("app_1", "r", -day), 0, false},
			"of none":    {of("app_1", "", -day), 0, false},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := now
			service, store, _ := newTokens(&clock)
			if err := service.AuthExpireAll(t.Context(), scope, "acme", test.in); err != nil {
				t.Fatal(err)
			}
			wantRevoked(t, service, &clock, test.tests)
			r := store.Revocations[0]
			if sessions := test.in.SessionIDs != nil; (r.ForgetAt != nil) != sessions || (len(store.Superseded) == 0) != sessions {
				t.Errorf("stored %+v, superseding %+v", r, store.Superseded)
			}
			if r.ForgetAt != nil && r.ForgetAt.Before(now.Add(core.AppTokenLifetime)) {
				t.Errorf("forgotten at %s, while its tokens are valid", r.ForgetAt)
			}
		})
	}
}

func TestAuthExpireAllChecksItsInput(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		in    core.AuthExpireAllIn
		field string
	}{
		"negative":      {core.AuthExpireAllIn{Seconds: -1}, "expiry"},
		"after 3 days":  {core.AuthExpireAllIn{Seconds: 259_201}, "expiry"},
		"many sessions": {core.AuthExpireAllIn{SessionIDs: slices.Repeat([]string{"a"}, 1001)}, "sessionIds"},
		"bad session":   {core.AuthExpireAllIn{SessionIDs: []string{"a", ""}}, "sessionIds[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store, _ := newTokens(new(now))
			err := service.AuthExpireAll(t.Context(), scope, "acme", test.in)
			if wantField(t, err, test.field); store.Revocations != nil {
				t.Errorf("revoked %+v", store.Revocations)
			}
		})
	}
}

func TestAuthLogoutRevokesOneToken(t *testing.T) {
	t.Parallel()
	clock := now
	service, store, _ := newTokens(&clock)
	token := core.Token{Scope: core.Scope{OrgID: "org_a", AppID: "app_1"}, Hash: []byte("a"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	other := token
	other.Hash = []byte("b")
	if err := service.AuthLogout(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	wantRevoked(t, service, &clock, map[string]revocation{"it": {token, 0, true}, "another": {other, 0, false}})
	if r := store.Revocations[0]; r.ForgetAt == nil || !r.ForgetAt.After(token.ExpiresAt) || store.Superseded != nil {
		t.Errorf("stored %+v", r)
	}
	token.AppID = ""
	err := service.AuthLogout(t.Context(), token)
	if wantError(t, err, core.KindBadRequest, "not_revocable"); len(store.Revocations) != 1 {
		t.Errorf("revoked %+v", store.Revocations)
	}
}

func TestTokenRevokeManyIsOfTheOrganisationItself(t *testing.T) {
	t.Parallel()
	clock := now
	service, store, _ := newTokens(&clock)
	org := core.Token{Scope: scope, Hash: []byte("a"), IssuedAt: now.Add(-time.Hour)}
	revocations := core.NewRevocations(store, func() time.Time { return now })
	if err := revocations.TokenRevokeMany(t.Context(), "org_a"); err != nil {
		t.Fatal(err)
	}
	newer, app, other := org, org, org
	newer.IssuedAt, app.AppID, other.OrgID = now, "app_1", "org_b"
	wantRevoked(t, service, &clock, map[string]revocation{
		"the organisation's": {org, 0, true}, "newer": {newer, 0, false}, "an application's": {app, 0, false},
		"another organisation's": {other, 0, false},
	})
	if err := revocations.TokenRevoke(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	clock = now
	wantRevoked(t, service, &clock, map[string]revocation{"the one named": {newer, 0, true}})
	if r := store.Revocations[1]; r.ForgetAt != nil {
		t.Errorf("a token that never expires is forgotten at %s", r.ForgetAt)
	}
}

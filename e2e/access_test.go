package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// access asks for a token for a customer and returns a client that bears it.
func (c client) access(t testing.TB, app string, in svix.AppPortalAccessIn) client {
	t.Helper()
	out := must(c.Authentication.AppPortalAccess(t.Context(), app, in, nil))(t)
	if !strings.HasPrefix(out.Url, "https://") {
		t.Errorf("url = %q", out.Url)
	}
	return newClient(t, c.url, out.Token)
}

// dashboardAccess is what older clients call.
func (c client) dashboardAccess(ctx context.Context, app string) (*svix.DashboardAccessOut, error) {
	return c.Authentication.DashboardAccess(ctx, app, nil) //nolint:staticcheck // it is served as long as the SDK has it
}

// reads tells whether a client's token is good.
func (c client) reads(t testing.TB, app string) bool {
	t.Helper()
	r, err := c.send(t.Context(), "GET", "/api/v1/app/"+app, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.status != 200 && r.status != 401 {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	return r.status == 200
}

// wantGood checks whose tokens are good.
func wantGood(t testing.TB, app string, good bool, clients ...client) {
	t.Helper()
	for i, c := range clients {
		if c.reads(t, app) != good {
			t.Errorf("token %d is good: %t, want %t", i, !good, good)
		}
	}
}

func TestACustomersTokenReachesItsApplicationAlone(t *testing.T) {
	t.Parallel()
	owner, ctx := shared(t).tenant(t), t.Context()
	app, other := owner.application(t), owner.application(t)
	message := owner.message(t, app)
	customer := owner.access(t, app, svix.AppPortalAccessIn{Expiry: new(uint64(3600))})

	must(customer.Message.Get(ctx, app, message, nil))(t)
	endpoint := must(customer.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	must(customer.Endpoint.GetSecret(ctx, app, endpoint))(t)
	_, err := customer.Message.Create(ctx, app, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
	refused(t, err, 403, "insufficient access")
	_, err = customer.Authentication.AppPortalAccess(ctx, app, svix.AppPortalAccessIn{}, nil)
	refused(t, err, 403, "insufficient access")
	refused(t, customer.Authentication.ExpireAll(ctx, app, svix.ApplicationTokenExpireIn{}, nil), 403, "insufficient access")
	_, err = customer.Application.Get(ctx, other)
	refused(t, err, 404, "not_found")
	_, err = customer.Endpoint.List(ctx, other, nil)
	refused(t, err, 404, "not_found")

	old := must(owner.dashboardAccess(ctx, app))(t)
	wantGood(t, app, true, newClient(t, owner.url, old.Token))
	_, err = owner.Authentication.AppPortalAccess(ctx, "nowhere", svix.AppPortalAccessIn{}, nil)
	refused(t, err, 404, "not_found")
	_, err = owner.dashboardAccess(ctx, "nowhere")
	refused(t, err, 404, "not_found")
}

func TestACustomersApplicationIsMadeWithItsToken(t *testing.T) {
	t.Parallel()
	owner, uid := shared(t).tenant(t), "new-"+random()
	in := svix.AppPortalAccessIn{Application: &svix.ApplicationIn{Name: "New", Uid: &uid}}
	for range 2 {
		customer := owner.access(t, uid, in)
		if app := must(customer.Application.Get(t.Context(), uid))(t); app.Name != "New" {
			t.Errorf("the application is %+v", app)
		}
	}
	done(t, owner.Application.Delete(t.Context(), uid))
}

func TestACustomersTokenHasTheCapabilitiesItWasGiven(t *testing.T) {
	t.Parallel()
	owner, ctx := shared(t).tenant(t), t.Context()
	app := owner.application(t)
	endpoint := must(owner.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	const forbidden = "insufficient access"
	for name, in := range map[string]svix.AppPortalAccessIn{
		"capabilities": {Capabilities: []svix.AppPortalCapability{"ViewBase"}},
		"read-only":    {ReadOnly: new(true)},
	} {
		viewer := owner.access(t, app, in)
		must(viewer.Endpoint.Get(ctx, app, endpoint))(t)
		_, err := viewer.Endpoint.GetSecret(ctx, app, endpoint)
		refused(t, err, 403, forbidden)
		_, err = viewer.Endpoint.Patch(ctx, app, endpoint, svix.EndpointPatch{Disabled: new(true)})
		refused(t, err, 403, forbidden)
		_, err = viewer.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil)
		refused(t, err, 403, forbidden)
		if refused(t, viewer.Endpoint.Delete(ctx, app, endpoint), 403, forbidden); t.Failed() {
			t.Fatal("with", name)
		}
	}
	auditor := owner.access(t, app, svix.AppPortalAccessIn{Capabilities: []svix.AppPortalCapability{"ViewBase", "ViewEndpointSecret"}})
	must(auditor.Endpoint.GetSecret(ctx, app, endpoint))(t)
	refused(t, auditor.Endpoint.Delete(ctx, app, endpoint), 403, forbidden)
	manager := owner.access(t, app, svix.AppPortalAccessIn{Capabilities: []svix.AppPortalCapability{"ViewBase", "ManageEndpoint"}})
	must(manager.Endpoint.GetSecret(ctx, app, endpoint))(t)
	done(t, manager.Endpoint.Delete(ctx, app, endpoint))
}

func TestLogoutEndsOneToken(t *testing.T) {
	t.Parallel()
	owner := shared(t).tenant(t)
	app := owner.application(t)
	one, another := owner.access(t, app, svix.AppPortalAccessIn{}), owner.access(t, app, svix.AppPortalAccessIn{})
	wantGood(t, app, true, one, another)
	done(t, one.Authentication.Logout(t.Context(), nil))
	wantGood(t, app, false, one)
	wantGood(t, app, true, another, owner)
	_, err := one.Endpoint.List(t.Context(), app, nil)
	refused(t, err, 401, "authentication_failed")
	refused(t, owner.Authentication.Logout(t.Context(), nil), 400, "not_revocable")
	wantGood(t, app, true, owner)
}

func TestExpireAllEndsTheTokensThatThereAre(t *testing.T) {
	t.Parallel()
	owner, ctx := shared(t).tenant(t), t.Context()
	app, other := owner.application(t), owner.application(t)
	of := func(session string) client {
		return owner.access(t, app, svix.AppPortalAccessIn{SessionId: &session})
	}
	expire := func(in svix.ApplicationTokenExpireIn) {
		t.Helper()
		done(t, owner.Authentication.ExpireAll(ctx, app, in, nil))
	}
	one, two, none := of("one"), of("two"), owner.access(t, app, svix.AppPortalAccessIn{})
	neighbour := owner.access(t, other, svix.AppPortalAccessIn{SessionId: new("one")})

	expire(svix.ApplicationTokenExpireIn{SessionIds: []string{"one", "of-nobody"}})
	again := of("one") // in the same second
	wantGood(t, app, false, one)
	wantGood(t, app, true, two, none, again)

	expire(svix.ApplicationTokenExpireIn{Expiry: new(int64(1))})
	await(t, func() string {
		for _, c := range []client{two, none, again} {
			if c.reads(t, app) {
				return "tokens are good that expired a second after expire-all"
			}
		}
		return ""
	})
	later := of("two")
	expire(svix.ApplicationTokenExpireIn{Expiry: new(int64(259_200))})
	wantGood(t, app, true, later)
	expire(svix.ApplicationTokenExpireIn{})
	latest := of("two")
	wantGood(t, app, false, later, one, two, none, again)
	wantGood(t, app, true, latest, owner)
	wantGood(t, other, true, neighbour)
}

func TestATokenIsEndedInEveryProcessAtOnce(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	here, there := start(t, settings(database), "api").service(t), start(t, settings(database), "api").service(t)
	owner := here.tenant(t)
	app := owner.application(t)
	one, two := owner.access(t, app, svix.AppPortalAccessIn{}), owner.access(t, app, svix.AppPortalAccessIn{})
	oneThere, twoThere := newClient(t, there.url, one.token), newClient(t, there.url, two.token)
	wantGood(t, app, true, one, two, oneThere, twoThere) // remembered as good by both
	done(t, one.Authentication.Logout(t.Context(), nil))
	wantGood(t, app, false, oneThere, one)
	wantGood(t, app, true, twoThere)
	done(t, owner.Authentication.ExpireAll(t.Context(), app, svix.ApplicationTokenExpireIn{}, nil))
	wantGood(t, app, false, twoThere, two)
}

// pemOf is a key as a variable without line breaks can hold it.
func pemOf(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return strings.ReplaceAll(string(text), "\n", `\n`)
}

// keyPairs are the settings of who signs and of who can only verify, by algorithm.
func keyPairs(t testing.TB) map[string][2][]string {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2][]string{}
	for algorithm, pair := range map[string][2]any{"RS256": {rsaKey, &rsaKey.PublicKey}, "EdDSA": {edPrivate, edPublic}} {
		private, err := x509.MarshalPKCS8PrivateKey(pair[0])
		signs := pemOf(t, "PRIVATE KEY", private, err)
		public, err := x509.MarshalPKIXPublicKey(pair[1])
		verifies := pemOf(t, "PUBLIC KEY", public, err)
		all[algorithm] = [2][]string{
			{"POSTRIDER_JWT_ALGORITHM=" + algorithm, "POSTRIDER_JWT_SECRET=" + signs},
			{"POSTRIDER_JWT_ALGORITHM=" + algorithm, "POSTRIDER_JWT_SECRET=" + verifies},
		}
	}
	return all
}

func TestAServiceWithAPublicKeyVerifiesAndMakesNoTokens(t *testing.T) {
	t.Parallel()
	for algorithm, pair := range keyPairs(t) {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			signer := service{settings: pair[0]}
			token := signer.token(t, "org_1")
			p := start(t, settings(newDatabase(t), pair[1]...), "api")
			owner := newClient(t, "http://"+p.ready(t), token)
			app := owner.application(t)
			wantGood(t, app, true, owner, newClient(t, owner.url, signer.token(t, "org_1", "--application", app)))
			_, err := owner.Authentication.AppPortalAccess(t.Context(), app, svix.AppPortalAccessIn{}, nil)
			refused(t, err, 400, "no_signing_key")
			_, err = owner.dashboardAccess(t.Context(), app)
			refused(t, err, 400, "no_signing_key")
			done(t, owner.Authentication.ExpireAll(t.Context(), app, svix.ApplicationTokenExpireIn{}, nil))
			wantGood(t, app, false, newClient(t, owner.url, service{settings: []string{secretSetting}}.token(t, "org_1")))

			got := command(t, pair[1], "token", "org_1")
			if got.code == 0 || got.stdout != "" || !strings.Contains(got.stderr, "public key") || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("postrider token: exit code %d, stdout %q, stderr %q; want one line that says why not", got.code, got.stdout, got.stderr)
			}
		})
	}
}

func TestABadKeyIsRefusedAtStartAndNotShown(t *testing.T) {
	t.Parallel()
	pairs := keyPairs(t)
	secretOf := func(algorithm string) string { return pairs[algorithm][0][1] }
	for name, test := range map[string]struct {
		settings []string
		variable string
	}{
		"unknown algorithm":  {[]string{"POSTRIDER_JWT_ALGORITHM=none"}, "POSTRIDER_JWT_ALGORITHM"},
		"a short secret":     {[]string{"POSTRIDER_JWT_SECRET=x"}, "POSTRIDER_JWT_SECRET"},
		"31 bytes":           {[]string{"POSTRIDER_JWT_SECRET=" + strings.Repeat("x", 31)}, "POSTRIDER_JWT_SECRET"},
		"31 bytes, HS512":    {[]string{"POSTRIDER_JWT_ALGORITHM=HS512", "POSTRIDER_JWT_SECRET=" + strings.Repeat("x", 31)}, "POSTRIDER_JWT_SECRET"},
		"no PEM":             {[]string{"POSTRIDER_JWT_ALGORITHM=RS256", "POSTRIDER_JWT_SECRET=" + password}, "POSTRIDER_JWT_SECRET"},
		"of another kind":    {[]string{"POSTRIDER_JWT_ALGORITHM=RS256", secretOf("EdDSA")}, "POSTRIDER_JWT_SECRET"},
		"a PEM for a secret": {[]string{secretOf("RS256")}, "POSTRIDER_JWT_SECRET"},
		"a broken PEM": {[]string{"POSTRIDER_JWT_ALGORITHM=EdDSA", strings.Replace(secretOf("EdDSA"), "MC4", "MC5", 1)},
			"POSTRIDER_JWT_SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := command(t, settings("postgres://127.0.0.1:1/none", test.settings...), "serve")
			refusesToStart(t, got, test.variable)
			for _, setting := range test.settings {
				_, key, _ := strings.Cut(setting, "KEY-----")
				if len(key) > 20 && strings.Contains(got.stderr, key[2:20]) {
					t.Errorf("stderr shows the key: %q", got.stderr)
				}
			}
		})
	}
	// A generated secret is no key of these.
	got := command(t, []string{"POSTRIDER_JWT_ALGORITHM=EdDSA", "POSTRIDER_DATA_DIR=" + t.TempDir()}, "token")
	if got.code == 0 || !strings.Contains(got.stderr, "POSTRIDER_JWT_SECRET is required with EdDSA") {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
}

// TestATokenOfEachSecretAlgorithmIsGood uses every one of them against a process of its own.
func TestATokenOfEachSecretAlgorithmIsGood(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	for _, algorithm := range []string{"HS384", "HS512"} {
		own := []string{secretSetting, "POSTRIDER_JWT_ALGORITHM=" + algorithm}
		p := start(t, settings(database, own[1]), "api")
		good := newClient(t, "http://"+p.ready(t), service{settings: own}.token(t, "org_1"))
		app := good.application(t)
		bad := newClient(t, good.url, service{settings: own[:1]}.token(t, "org_1")) // HS256, the same secret
		wantGood(t, app, true, good)
		wantGood(t, app, false, bad)
	}
}

// TestThePublishedSecretIsWarnedOf starts as docker-compose.yml does.
func TestThePublishedSecretIsWarnedOf(t *testing.T) {
	t.Parallel()
	const warning = "signing secret published in docker-compose.yml"
	database := newDatabase(t)
	for secret, warns := range map[string]bool{"development-only-secret-that-everyone-knows": true, strings.Repeat("x", 32): false} {
		p := start(t, settings(database, "POSTRIDER_JWT_SECRET="+secret), "api")
		p.ready(t)
		if strings.Contains(p.stdout.String(), warning) != warns {
			t.Errorf("with %q it warns: %t, want %t", secret, !warns, warns)
		}
	}
}

// TestTheKeyIsReplacedWithoutEndingTokens takes two processes through a rotation, one after the other.
func TestTheKeyIsReplacedWithoutEndingTokens(t *testing.T) {
	t.Parallel()
	const signs, verifies = "POSTRIDER_JWT_SECRET=", "POSTRIDER_JWT_VERIFY_SECRETS="
	old, next, database := random()+random()+random(), random()+random()+random(), newDatabase(t)
	api := func(env ...string) string {
		return "http://" + start(t, settings(database, env...), "api").ready(t)
	}
	minted := func(env ...string) string { return service{settings: env}.token(t, "org_1") }
	announced, swapped := api(signs+old, verifies+next), api(signs+next, verifies+old)
	ofOld, ofNext := minted(signs+old), minted(signs+next, verifies+old)
	owner := newClient(t, announced, ofOld)
	app := owner.application(t)
	customer := owner.access(t, app, svix.AppPortalAccessIn{})
	for _, url := range []string{announced, swapped} {
		wantGood(t, app, true, newClient(t, url, ofOld), newClient(t, url, ofNext), newClient(t, url, customer.token))
	}
	after := api(signs + next)
	wantGood(t, app, true, newClient(t, after, ofNext))
	wantGood(t, app, false, newClient(t, after, ofOld), newClient(t, after, customer.token))
}

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// wantGood checks whether the clients' tokens are valid.
func wantGood(t testing.TB, app string, good bool, clients ...rig.Client) {
	t.Helper()
	for i, c := range clients {
		if c.CanRead(t, app) != good {
			t.Errorf("token %d is good: %t, want %t", i, !good, good)
		}
	}
}

func TestPortalTokenReachesItsApplicationAlone(t *testing.T) {
	t.Parallel()
	owner, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, other := owner.NewApplication(t), owner.NewApplication(t)
	message := owner.SendMessage(t, app)
	customer := owner.PortalAccess(t, app, svix.AppPortalAccessIn{Expiry: new(uint64(3600))})

	rig.Must(customer.Message.Get(ctx, app, message, nil))(t)
	endpoint := rig.Must(customer.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	rig.Must(customer.Endpoint.GetSecret(ctx, app, endpoint))(t)
	_, err := customer.Message.Create(ctx, app, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
	rig.WantRefused(t, err, 403, "insufficient access")
	_, err = customer.Authentication.AppPortalAccess(ctx, app, svix.AppPortalAccessIn{}, nil)
	rig.WantRefused(t, err, 403, "insufficient access")
	rig.WantRefused(t, customer.Authentication.ExpireAll(ctx, app, svix.ApplicationTokenExpireIn{}, nil), 403, "insufficient access")
	_, err = customer.Application.Get(ctx, other)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = customer.Endpoint.List(ctx, other, nil)
	rig.WantRefused(t, err, 404, "not_found")

	old := rig.Must(owner.DashboardAccess(ctx, app))(t)
	wantGood(t, app, true, rig.NewClient(t, owner.URL, old.Token))
	_, err = owner.Authentication.AppPortalAccess(ctx, "nowhere", svix.AppPortalAccessIn{}, nil)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = owner.DashboardAccess(ctx, "nowhere")
	rig.WantRefused(t, err, 404, "not_found")
}

func TestPortalTokenCreatesItsApplication(t *testing.T) {
	t.Parallel()
	owner, uid := rig.Shared(t).NewTenant(t), "new-"+rig.Random()
	in := svix.AppPortalAccessIn{Application: &svix.ApplicationIn{Name: "New", Uid: &uid}}
	for range 2 {
		customer := owner.PortalAccess(t, uid, in)
		if app := rig.Must(customer.Application.Get(t.Context(), uid))(t); app.Name != "New" {
			t.Errorf("the application is %+v", app)
		}
	}
	rig.NoError(t, owner.Application.Delete(t.Context(), uid))
}

func TestPortalTokenHasItsCapabilities(t *testing.T) {
	t.Parallel()
	owner, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app := owner.NewApplication(t)
	endpoint := rig.Must(owner.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	const forbidden = "insufficient access"
	for name, in := range map[string]svix.AppPortalAccessIn{
		"capabilities": {Capabilities: []svix.AppPortalCapability{"ViewBase"}},
		"read-only":    {ReadOnly: new(true)},
	} {
		viewer := owner.PortalAccess(t, app, in)
		rig.Must(viewer.Endpoint.Get(ctx, app, endpoint))(t)
		_, err := viewer.Endpoint.GetSecret(ctx, app, endpoint)
		rig.WantRefused(t, err, 403, forbidden)
		_, err = viewer.Endpoint.Patch(ctx, app, endpoint, svix.EndpointPatch{Disabled: new(true)})
		rig.WantRefused(t, err, 403, forbidden)
		_, err = viewer.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil)
		rig.WantRefused(t, err, 403, forbidden)
		if rig.WantRefused(t, viewer.Endpoint.Delete(ctx, app, endpoint), 403, forbidden); t.Failed() {
			t.Fatal("with", name)
		}
	}
	auditor := owner.PortalAccess(t, app, svix.AppPortalAccessIn{Capabilities: []svix.AppPortalCapability{"ViewBase", "ViewEndpointSecret"}})
	rig.Must(auditor.Endpoint.GetSecret(ctx, app, endpoint))(t)
	rig.WantRefused(t, auditor.Endpoint.Delete(ctx, app, endpoint), 403, forbidden)
	manager := owner.PortalAccess(t, app, svix.AppPortalAccessIn{Capabilities: []svix.AppPortalCapability{"ViewBase", "ManageEndpoint"}})
	rig.Must(manager.Endpoint.GetSecret(ctx, app, endpoint))(t)
	rig.NoError(t, manager.Endpoint.Delete(ctx, app, endpoint))
}

func TestTokenLogoutEndsOneToken(t *testing.T) {
	t.Parallel()
	owner := rig.Shared(t).NewTenant(t)
	app := owner.NewApplication(t)
	one, another := owner.PortalAccess(t, app, svix.AppPortalAccessIn{}), owner.PortalAccess(t, app, svix.AppPortalAccessIn{})
	wantGood(t, app, true, one, another)
	rig.NoError(t, one.Authentication.Logout(t.Context(), nil))
	wantGood(t, app, false, one)
	wantGood(t, app, true, another, owner)
	_, err := one.Endpoint.List(t.Context(), app, nil)
	rig.WantRefused(t, err, 401, "authentication_failed")
	rig.WantRefused(t, owner.Authentication.Logout(t.Context(), nil), 400, "not_revocable")
	wantGood(t, app, true, owner)
}

func TestTokenExpireAllEndsExistingTokens(t *testing.T) {
	t.Parallel()
	owner, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, other := owner.NewApplication(t), owner.NewApplication(t)
	of := func(session string) rig.Client {
		return owner.PortalAccess(t, app, svix.AppPortalAccessIn{SessionId: &session})
	}
	expire := func(in svix.ApplicationTokenExpireIn) {
		t.Helper()
		rig.NoError(t, owner.Authentication.ExpireAll(ctx, app, in, nil))
	}
	one, two, none := of("one"), of("two"), owner.PortalAccess(t, app, svix.AppPortalAccessIn{})
	neighbour := owner.PortalAccess(t, other, svix.AppPortalAccessIn{SessionId: new("one")})

	expire(svix.ApplicationTokenExpireIn{SessionIds: []string{"one", "of-nobody"}})
	again := of("one") // issued in the same second
	wantGood(t, app, false, one)
	wantGood(t, app, true, two, none, again)

	expire(svix.ApplicationTokenExpireIn{Expiry: new(int64(1))})
	rig.Await(t, func() string {
		for _, c := range []rig.Client{two, none, again} {
			if c.CanRead(t, app) {
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

func TestTokenEndsInEveryProcessAtOnce(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	here, there := rig.Start(t, rig.Settings(database), "api").Service(t), rig.Start(t, rig.Settings(database), "api").Service(t)
	owner := here.NewTenant(t)
	app := owner.NewApplication(t)
	one, two := owner.PortalAccess(t, app, svix.AppPortalAccessIn{}), owner.PortalAccess(t, app, svix.AppPortalAccessIn{})
	oneThere, twoThere := rig.NewClient(t, there.URL, one.Token), rig.NewClient(t, there.URL, two.Token)
	wantGood(t, app, true, one, two, oneThere, twoThere) // both processes have cached them as valid
	rig.NoError(t, one.Authentication.Logout(t.Context(), nil))
	wantGood(t, app, false, oneThere, one)
	wantGood(t, app, true, twoThere)
	rig.NoError(t, owner.Authentication.ExpireAll(t.Context(), app, svix.ApplicationTokenExpireIn{}, nil))
	wantGood(t, app, false, twoThere, two)
}

// pemOf returns a key in PEM with escaped line breaks, as an environment variable without line breaks holds it.
func pemOf(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return strings.ReplaceAll(string(text), "\n", `\n`)
}

// keyPairs returns, by algorithm, the settings of an instance that signs and of one that can only verify.
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

func TestTokenPublicKeyVerifiesAndIssuesNothing(t *testing.T) {
	t.Parallel()
	for algorithm, pair := range keyPairs(t) {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			signer := rig.Service{Settings: pair[0]}
			token := signer.NewToken(t, "org_1")
			p := rig.Start(t, rig.Settings(rig.NewDatabase(t), pair[1]...), "api")
			owner := rig.NewClient(t, "http://"+p.AwaitReady(t), token)
			app := owner.NewApplication(t)
			wantGood(t, app, true, owner, rig.NewClient(t, owner.URL, signer.NewToken(t, "org_1", "--application", app)))
			_, err := owner.Authentication.AppPortalAccess(t.Context(), app, svix.AppPortalAccessIn{}, nil)
			rig.WantRefused(t, err, 400, "no_signing_key")
			_, err = owner.DashboardAccess(t.Context(), app)
			rig.WantRefused(t, err, 400, "no_signing_key")
			rig.NoError(t, owner.Authentication.ExpireAll(t.Context(), app, svix.ApplicationTokenExpireIn{}, nil))
			wantGood(t, app, false, rig.NewClient(t, owner.URL, rig.Service{Settings: []string{rig.SecretSetting}}.NewToken(t, "org_1")))

			got := rig.Command(t, pair[1], "token", "org_1")
			if got.Code == 0 || got.Stdout != "" || !strings.Contains(got.Stderr, "public key") || strings.Count(got.Stderr, "\n") != 1 {
				t.Errorf("postrider token: exit code %d, stdout %q, stderr %q; want one line that says why not", got.Code, got.Stdout, got.Stderr)
			}
		})
	}
}

func TestTokenKeyBadIsRefusedAtStartAndNotShown(t *testing.T) {
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
			got := rig.Command(t, rig.Settings("postgres://127.0.0.1:1/none", test.settings...), "serve")
			refusesToStart(t, got, test.variable)
			for _, setting := range test.settings {
				_, key, _ := strings.Cut(setting, "KEY-----")
				if len(key) > 20 && strings.Contains(got.Stderr, key[2:20]) {
					t.Errorf("stderr shows the key: %q", got.Stderr)
				}
			}
		})
	}
	// A generated secret is not a key of this algorithm.
	got := rig.Command(t, []string{"POSTRIDER_JWT_ALGORITHM=EdDSA", "POSTRIDER_DATA_DIR=" + t.TempDir()}, "token")
	if got.Code == 0 || !strings.Contains(got.Stderr, "POSTRIDER_JWT_SECRET is required with EdDSA") {
		t.Errorf("exit code %d, stderr %q", got.Code, got.Stderr)
	}
}

// TestTokenOfEachSecretAlgorithmIsAccepted starts a process for each algorithm.
func TestTokenOfEachSecretAlgorithmIsAccepted(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	for _, algorithm := range []string{"HS384", "HS512"} {
		own := []string{rig.SecretSetting, "POSTRIDER_JWT_ALGORITHM=" + algorithm}
		p := rig.Start(t, rig.Settings(database, own[1]), "api")
		good := rig.NewClient(t, "http://"+p.AwaitReady(t), rig.Service{Settings: own}.NewToken(t, "org_1"))
		app := good.NewApplication(t)
		bad := rig.NewClient(t, good.URL, rig.Service{Settings: own[:1]}.NewToken(t, "org_1")) // HS256, the same secret
		wantGood(t, app, true, good)
		wantGood(t, app, false, bad)
	}
}

// TestTokenSecretPublishedIsWarnedOf starts a process with the secret from docker-compose.yml.
func TestTokenSecretPublishedIsWarnedOf(t *testing.T) {
	t.Parallel()
	const warning = "signing secret published in docker-compose.yml"
	database := rig.NewDatabase(t)
	for secret, warns := range map[string]bool{"development-only-secret-that-everyone-knows": true, strings.Repeat("x", 32): false} {
		p := rig.Start(t, rig.Settings(database, "POSTRIDER_JWT_SECRET="+secret), "api")
		p.AwaitReady(t)
		if strings.Contains(p.Stdout.String(), warning) != warns {
			t.Errorf("with %q it warns: %t, want %t", secret, !warns, warns)
		}
	}
}

// TestTokenKeyRotationKeepsTokens takes two processes through a key rotation, one after the other.
func TestTokenKeyRotationKeepsTokens(t *testing.T) {
	t.Parallel()
	const signs, verifies = "POSTRIDER_JWT_SECRET=", "POSTRIDER_JWT_VERIFY_SECRETS="
	old, next, database := rig.Random()+rig.Random()+rig.Random(), rig.Random()+rig.Random()+rig.Random(), rig.NewDatabase(t)
	api := func(env ...string) string {
		return "http://" + rig.Start(t, rig.Settings(database, env...), "api").AwaitReady(t)
	}
	minted := func(env ...string) string { return rig.Service{Settings: env}.NewToken(t, "org_1") }
	announced, swapped := api(signs+old, verifies+next), api(signs+next, verifies+old)
	ofOld, ofNext := minted(signs+old), minted(signs+next, verifies+old)
	owner := rig.NewClient(t, announced, ofOld)
	app := owner.NewApplication(t)
	customer := owner.PortalAccess(t, app, svix.AppPortalAccessIn{})
	for _, url := range []string{announced, swapped} {
		wantGood(t, app, true, rig.NewClient(t, url, ofOld), rig.NewClient(t, url, ofNext), rig.NewClient(t, url, customer.Token))
	}
	after := api(signs + next)
	wantGood(t, app, true, rig.NewClient(t, after, ofNext))
	wantGood(t, app, false, rig.NewClient(t, after, ofOld), rig.NewClient(t, after, customer.Token))
}

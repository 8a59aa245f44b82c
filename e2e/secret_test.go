package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// newPrivateKey returns an ed25519 private key as clients supply it, and its public key as the API shows it.
func newPrivateKey(t testing.TB) (private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	rig.NoError(t, err)
	return "whsk_" + base64.StdEncoding.EncodeToString(key), "whpk_" + base64.StdEncoding.EncodeToString(pub)
}

// TestEndpointSecretChangesFromV1ToV1a checks that during the grace period each webhook has both signatures, the
// current one first.
func TestEndpointSecretChangesFromV1ToV1a(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := r.NewEndpoint(t, c, app)
	private, public := newPrivateKey(t)
	rig.NoError(t, c.Endpoint.RotateSecret(ctx, app, endpoint, svix.EndpointSecretRotateIn{Key: &private}, nil))
	if got := rig.Must(c.Endpoint.GetSecret(ctx, app, endpoint))(t).Key; got != public {
		t.Fatalf("the API shows %s, want %s", got, public)
	}
	got := r.ArrivalOf(t, c, app) // the receiver verifies it with the old secret
	signatures := strings.Fields(got.Header.Get("webhook-signature"))
	if len(signatures) != 2 || !strings.HasPrefix(signatures[0], "v1a,") || !strings.HasPrefix(signatures[1], "v1,") {
		t.Errorf("signed %v, want v1a and v1", signatures)
	}
	if !got.Verifies(t, public) {
		t.Error("the public key does not verify it")
	}
	if _, other := newPrivateKey(t); got.Verifies(t, other) {
		t.Error("any public key verifies it")
	}
}

func TestEndpointSecretWithWrongPublicKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	one, _ := newPrivateKey(t)
	other, _ := newPrivateKey(t)
	mixed := one[:len("whsk_")+40] + other[len("whsk_")+40:]
	_, err := c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: r.URL, Secret: &mixed}, nil)
	wrongField(t, err, "secret")
}

// firstKey and secondKey encrypt secrets.
var (
	firstKey  = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("1", 32)))
	secondKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("2", 32)))
)

// TestEncryptionKeysAreReplaced goes from no key to a first and then to a second, and finally delivers with only the
// second.
func TestEncryptionKeysAreReplaced(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	database := rig.NewDatabase(t)
	with := func(keys string) []string {
		return rig.Settings(database, "POSTRIDER_SECRET_KEYS="+keys, "POSTRIDER_DEFAULT_SIGNATURE_TYPE=ed25519")
	}
	p := rig.Start(t, with(""), "serve")
	c := p.Service(t).NewTenant(t)
	app, plain := c.NewApplication(t), rig.NewReceiver(t, nil)
	plain.NewEndpoint(t, c, app)
	again := func(keys string) {
		p.Stop(t)
		p = rig.Start(t, with(keys), "serve")
		c = rig.NewClient(t, p.Service(t).URL, c.Token)
	}
	again(firstKey)
	sealed, generated := rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
	sealed.NewEndpoint(t, c, app)
	made := rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: generated.URL}, nil))(t).Id
	public := rig.Must(c.Endpoint.GetSecret(t.Context(), app, made))(t).Key
	generated.Secret = public

	for _, keys := range []string{"", secondKey} {
		got := rig.Command(t, with(keys), "serve")
		if got.Code != 1 || !strings.Contains(got.Stderr, "POSTRIDER_SECRET_KEYS") || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("with the keys %q: exit code %d, stderr %q", keys, got.Code, got.Stderr)
		}
	}
	if got := rig.Command(t, with(""), "secrets", "encrypt"); got.Code != 1 || !strings.Contains(got.Stderr, "POSTRIDER_SECRET_KEYS") {
		t.Errorf("without keys: %+v", got)
	}
	if got := rig.Command(t, with(firstKey), "secrets", "status"); got.Code != 0 || !strings.Contains(got.Stdout, "1 secrets  (not encrypted)") || !strings.Contains(got.Stdout, "2 secrets  (the first key)") {
		t.Errorf("status: %+v", got)
	}
	got := rig.Command(t, with(secondKey+","+firstKey), "secrets", "encrypt") // while the process with the first key runs
	if got.Code != 0 || !strings.Contains(got.Stdout, "secrets of 3 endpoints") || strings.Count(got.Stdout, "\n") != 2 {
		t.Errorf("encrypt: %+v", got)
	}
	if strings.Contains(got.Stdout+got.Stderr, secondKey[:10]) {
		t.Error("a key is shown")
	}
	again(secondKey)
	if now := rig.Must(c.Endpoint.GetSecret(t.Context(), app, made))(t).Key; now != public {
		t.Errorf("the public key was %s and is %s", public, now)
	}
	message := c.SendMessage(t, app)
	for _, r := range []*rig.Receiver{plain, sealed, generated} {
		r.Await(t, message) // the receiver verifies the signature
	}
}

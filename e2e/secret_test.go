package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// newPrivateKey is an ed25519 key as clients give it, and the public one as the API shows it.
func newPrivateKey(t testing.TB) (private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	done(t, err)
	return "whsk_" + base64.StdEncoding.EncodeToString(key), "whpk_" + base64.StdEncoding.EncodeToString(pub)
}

// verifies tells whether a webhook has a v1a signature of the public key.
func (a arrival) verifies(t testing.TB, public string) bool {
	t.Helper()
	encoded, ok := strings.CutPrefix(public, "whpk_")
	key := must(base64.StdEncoding.DecodeString(encoded))(t)
	if !ok || len(key) != ed25519.PublicKeySize {
		t.Fatalf("%q is no public key", public)
	}
	content := a.id + "." + a.header.Get("webhook-timestamp") + "." + string(a.body)
	return slices.ContainsFunc(strings.Fields(a.header.Get("webhook-signature")), func(signature string) bool {
		encoded, ok := strings.CutPrefix(signature, "v1a,")
		return ok && ed25519.Verify(key, []byte(content), must(base64.StdEncoding.DecodeString(encoded))(t))
	})
}

// arrivalOf sends a message and returns it as it arrived.
func (r *receiver) arrivalOf(t testing.TB, c client, app string) arrival {
	t.Helper()
	message := c.message(t, app)
	r.await(t, message)
	return r.of(message)[0]
}

// TestASecretChangesFromV1ToV1a: while the grace period lasts, each webhook has both signatures, the
// current one first.
func TestASecretChangesFromV1ToV1a(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app, r := c.application(t), newReceiver(t, nil)
	endpoint := r.endpoint(t, c, app)
	private, public := newPrivateKey(t)
	done(t, c.Endpoint.RotateSecret(ctx, app, endpoint, svix.EndpointSecretRotateIn{Key: &private}, nil))
	if got := must(c.Endpoint.GetSecret(ctx, app, endpoint))(t).Key; got != public {
		t.Fatalf("the API shows %s, want %s", got, public)
	}
	got := r.arrivalOf(t, c, app) // the receiver itself verifies it with the old one
	signatures := strings.Fields(got.header.Get("webhook-signature"))
	if len(signatures) != 2 || !strings.HasPrefix(signatures[0], "v1a,") || !strings.HasPrefix(signatures[1], "v1,") {
		t.Errorf("signed %v, want v1a and v1", signatures)
	}
	if !got.verifies(t, public) {
		t.Error("the public key does not verify it")
	}
	if _, other := newPrivateKey(t); got.verifies(t, other) {
		t.Error("any public key verifies it")
	}
}

func TestAPrivateKeyWithAnotherPublicKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app, r := c.application(t), newReceiver(t, nil)
	one, _ := newPrivateKey(t)
	other, _ := newPrivateKey(t)
	mixed := one[:len("whsk_")+40] + other[len("whsk_")+40:]
	_, err := c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: r.url, Secret: &mixed}, nil)
	wrongField(t, err, "secret")
}

// firstKey and secondKey encrypt secrets.
var (
	firstKey  = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("1", 32)))
	secondKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("2", 32)))
)

// TestSecretKeysAreReplaced goes from no key to a first and on to a second, and delivers with the second
// alone in the end.
func TestSecretKeysAreReplaced(t *testing.T) {
	t.Parallel()
	ownProcesses(t)
	database := newDatabase(t)
	with := func(keys string) []string {
		return settings(database, "POSTRIDER_SECRET_KEYS="+keys, "POSTRIDER_DEFAULT_SIGNATURE_TYPE=ed25519")
	}
	p := start(t, with(""), "serve")
	c := p.service(t).tenant(t)
	app, plain := c.application(t), newReceiver(t, nil)
	plain.endpoint(t, c, app)
	again := func(keys string) {
		p.stop(t)
		p = start(t, with(keys), "serve")
		c = newClient(t, p.service(t).url, c.token)
	}
	again(firstKey)
	sealed, generated := newReceiver(t, nil), newReceiver(t, nil)
	sealed.endpoint(t, c, app)
	made := must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: generated.url}, nil))(t).Id
	public := must(c.Endpoint.GetSecret(t.Context(), app, made))(t).Key
	generated.secret = public

	for _, keys := range []string{"", secondKey} {
		got := command(t, with(keys), "serve")
		if got.code != 1 || !strings.Contains(got.stderr, "POSTRIDER_SECRET_KEYS") || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("with the keys %q: exit code %d, stderr %q", keys, got.code, got.stderr)
		}
	}
	if got := command(t, with(""), "secrets", "encrypt"); got.code != 1 || !strings.Contains(got.stderr, "POSTRIDER_SECRET_KEYS") {
		t.Errorf("without keys: %+v", got)
	}
	if got := command(t, with(firstKey), "secrets", "status"); got.code != 0 || !strings.Contains(got.stdout, "1 secrets  (not encrypted)") || !strings.Contains(got.stdout, "2 secrets  (the first key)") {
		t.Errorf("status: %+v", got)
	}
	got := command(t, with(secondKey+","+firstKey), "secrets", "encrypt") // beside the process with the first
	if got.code != 0 || !strings.Contains(got.stdout, "secrets of 3 endpoints") || strings.Count(got.stdout, "\n") != 2 {
		t.Errorf("encrypt: %+v", got)
	}
	if strings.Contains(got.stdout+got.stderr, secondKey[:10]) {
		t.Error("a key is shown")
	}
	again(secondKey)
	if now := must(c.Endpoint.GetSecret(t.Context(), app, made))(t).Key; now != public {
		t.Errorf("the public key was %s and is %s", public, now)
	}
	message := c.message(t, app)
	for _, r := range []*receiver{plain, sealed, generated} {
		r.await(t, message) // and it verifies
	}
}

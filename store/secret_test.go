package store

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// twoSecrets creates an endpoint with an HMAC key and an older ed25519 key.
func (w *world) twoSecrets() core.Endpoint {
	w.t.Helper()
	return w.addEndpoint(func(e *core.Endpoint) {
		e.OldSecrets = []core.Secret{core.SignatureEd25519.NewSecret()}
		e.OldSecretsExpireAt = []time.Time{now().Add(time.Hour)}
	})
}

// with returns the same database under other keys.
func (w *world) with(keys SecretKeys) *world {
	w.t.Helper()
	return &world{Store: openStore(w.t, w.pool.Config().ConnString(), keys), t: w.t, app: w.app}
}

func (w *world) wantSecrets(e core.Endpoint) {
	w.t.Helper()
	got, err := w.EndpointGet(w.t.Context(), e.AppID, string(e.ID))
	if err != nil || !sameSecret(got.Secret, e.Secret) || len(got.OldSecrets) != 1 || !sameSecret(got.OldSecrets[0], e.OldSecrets[0]) {
		w.t.Errorf("read %+v, %v", got, err)
	}
}

func TestTheDatabaseHoldsNoSecretInPlain(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newKeys(t, "a"))
	e := w.twoSecrets()
	w.wantSecrets(e)
	e.Secret, e.OldSecrets = core.SignatureEd25519.NewSecret(), []core.Secret{e.Secret}
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointUpdateSecret(ctx, e) })
	w.wantSecrets(e)
	for _, s := range []core.Secret{e.Secret, e.OldSecrets[0]} {
		_, key := s.Key()
		half := key[:len(key)/2]
		found := value[int](w, `SELECT count(*) FROM endpoint
			WHERE position($1 IN secret) > 0 OR position($1 IN array_to_string(old_secrets, '')::bytea) > 0
				OR position(encode($1, 'hex') IN endpoint::text) > 0`, half)
		if found != 0 {
			t.Errorf("half of the key stands in the row")
		}
	}
	if rows := value[int](w, "SELECT count(*) FROM endpoint WHERE position($1 IN secret) = 1", []byte(secretMark)); rows != 1 {
		t.Errorf("%d rows are marked", rows)
	}
}

func TestPlainSecretsStayReadableAndAreStoredAsEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.twoSecrets()
	_, key := e.Secret.Key()
	if stored := value[[]byte](w, "SELECT secret FROM endpoint"); !bytes.Equal(stored, key) {
		t.Errorf("an HMAC key is stored as %x", stored)
	}
	w.with(newKeys(t, "a")).wantSecrets(e)
	w.wantSecrets(e)
}

func TestSwappedSecretsDoNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newKeys(t, "a"))
	one, other := w.addEndpoint(nil), w.addEndpoint(nil)
	w.exec(`UPDATE endpoint SET secret = swapped.secret FROM endpoint AS swapped
		WHERE endpoint.app_id = swapped.app_id AND endpoint.id <> swapped.id`)
	for _, e := range []core.Endpoint{one, other} {
		if got, err := w.EndpointGet(t.Context(), e.AppID, string(e.ID)); err == nil || !strings.Contains(err.Error(), "does not open") {
			t.Errorf("read %+v, %v", got, err)
		}
	}
}

// TestADeliveryThatCannotBeSignedWaits: this process lacks the key of one endpoint's secret. The other endpoints get
// their deliveries, and its own are neither sent nor lost nor counted.
func TestADeliveryThatCannotBeSignedWaits(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newKeys(t, "a"))
	good := w.addEndpoint(nil)
	bad := w.with(newKeys(t, "b")).addEndpoint(nil)
	var logged bytes.Buffer
	w.unopened.log = slog.New(slog.NewTextHandler(&logged, nil))

	d := &takes{room: room()}
	inserter := NewMessageInserter(w.Store, d)
	for range 3 {
		if _, err := inserter.MessageInsert(t.Context(), w.event(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.taken) != 3 || d.freed != 3*d.room.Total {
		t.Errorf("%d deliveries were handed over, %d of the room came back", len(d.taken), d.freed)
	}
	w.exec("UPDATE delivery SET due_at = now() - interval '1 minute'")
	w.sweep(now())
	claimed := w.claim(room())
	for _, delivery := range append(d.taken, claimed...) {
		if delivery.EndpointID != good.ID {
			t.Errorf("%+v was handed over without a signature", delivery)
		}
	}
	if owed := w.owed(); len(claimed) != 3 || owed[bad.ID] != 3 || owed[good.ID] != 3 {
		t.Errorf("%d were claimed, and owed is %v", len(claimed), owed)
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE attempts <> 0 OR due_at < now()"); n != 0 {
		t.Errorf("%d are counted as attempted, or due although leased", n)
	}
	if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, newKeys(t, "b").hex()) || !strings.Contains(text, string(bad.ID)) {
		t.Errorf("logged %q", text)
	}

	w.exec("UPDATE delivery SET due_at = now() - interval '1 minute'")
	w.sweep(now())
	if all := w.with(newKeys(t, "ab")).claim(room()); len(all) != 6 {
		t.Errorf("with its key %d were claimed", len(all))
	}
}

func (w *world) counts() map[string]SecretCount {
	w.t.Helper()
	counts, err := w.SecretCount(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	byKey := map[string]SecretCount{}
	for _, c := range counts {
		byKey[c.Fingerprint] = c
	}
	return byKey
}

func (w *world) reseal(want int) {
	w.t.Helper()
	if changed, err := w.SecretReseal(w.t.Context()); err != nil || changed != want {
		w.t.Errorf("%d endpoints changed, %v; want %d", changed, err, want)
	}
}

func TestEverySecretComesUnderTheFirstKey(t *testing.T) {
	t.Parallel()
	a, ba, c := newKeys(t, "a"), newKeys(t, "ba"), newKeys(t, "c")
	plain := newWorld(t)
	first, w := plain.with(a), plain.with(ba)
	var all []core.Endpoint
	for range resealBatch + 20 {
		all = append(all, plain.addEndpoint(nil))
	}
	two, deleted, lost := first.twoSecrets(), first.twoSecrets(), plain.with(c).addEndpoint(nil)
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.EndpointDelete(ctx, deleted.AppID, deleted.ID, now())
	})
	want := map[string]SecretCount{
		"":      {Known: true, Secrets: 120, InUse: 120, Headers: 120},
		a.hex(): {Fingerprint: a.hex(), Known: true, Secrets: 4, InUse: 2},
		c.hex(): {Fingerprint: c.hex(), Secrets: 1, InUse: 1},
	}
	for key, got := range w.counts() {
		if got != want[key] {
			t.Errorf("%q: %+v, want %+v", key, got, want[key])
		}
	}
	w.reseal(122)
	w.reseal(0)
	counts, under := w.counts(), ba.hex()
	if got := counts[under]; len(counts) != 2 || got != (SecretCount{Fingerprint: under, First: true, Known: true, Secrets: 124, InUse: 122}) {
		t.Errorf("afterwards %+v", counts)
	}
	w = plain.with(ba[:1])
	w.wantSecrets(two)
	for _, e := range all {
		got, err := w.EndpointGet(t.Context(), e.AppID, string(e.ID))
		if err != nil || !sameSecret(got.Secret, e.Secret) || !got.UpdatedAt.Equal(e.UpdatedAt) {
			t.Fatalf("read %+v, %v", got, err)
		}
	}
	if _, err := w.EndpointGet(t.Context(), lost.AppID, string(lost.ID)); err == nil {
		t.Error("what was under an unknown key opens")
	}
}

// TestASecretThatIsRotatedMeanwhileStays: resealing skips an endpoint that is being changed, and that change remains.
func TestASecretThatIsRotatedMeanwhileStays(t *testing.T) {
	t.Parallel()
	plain := newWorld(t)
	w := plain.with(newKeys(t, "a"))
	rotated, other := plain.addEndpoint(nil), plain.addEndpoint(nil)
	// The other change is made by a process without keys.
	plain.in(func(ctx context.Context, tx core.Tx) error {
		e, err := tx.EndpointLock(ctx, rotated.AppID, string(rotated.ID))
		if err != nil {
			return err
		}
		w.reseal(1)
		rotated.Secret = core.SignatureEd25519.NewSecret()
		e.Secret = rotated.Secret
		return tx.EndpointUpdateSecret(ctx, e)
	})
	w.reseal(1)
	for _, e := range []core.Endpoint{rotated, other} {
		if got, err := w.EndpointGet(t.Context(), e.AppID, string(e.ID)); err != nil || !sameSecret(got.Secret, e.Secret) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
	if counts := w.counts(); len(counts) != 1 || counts[w.keys.hex()].Secrets != 2 {
		t.Errorf("%+v", counts)
	}
}

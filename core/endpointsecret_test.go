package core_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestEndpointSecretRotateKeepsTheOldOneForItsGrace(t *testing.T) {
	t.Parallel()
	const hour, week = time.Hour, 7 * 24 * time.Hour
	for name, test := range map[string]struct {
		grace *time.Duration
		want  time.Duration // until when the old secret signs; 0: it does not; -1: refused
	}{
		"a day by default": {nil, 24 * hour},
		"an hour":          {new(hour), hour},
		"a week":           {new(week), week},
		"none":             {new(time.Duration(0)), 0},
		"longer":           {new(week + 1), -1},
		"negative":         {new(-time.Second), -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			old := store.Endpoints[0].Secret
			secret, err := service.EndpointSecretRotate(t.Context(), scope, "acme", "main", core.SecretRotateIn{Grace: test.grace})
			if test.want < 0 {
				wantField(t, err, "gracePeriodSeconds")
				wantTold(t, store)
				if store.Endpoints[0].Secret.Text() != old.Text() {
					t.Error("the secret has changed nevertheless")
				}
				return
			}
			if err != nil || secret.Text() == old.Text() {
				t.Fatalf("the same secret again, %v", err)
			}
			wantTold(t, store, "endpoint.updated")
			e := store.Endpoints[0]
			for at, n := range map[time.Duration]int{0: min(1, int(test.want)), test.want - 1: min(1, int(test.want)), test.want: 0} {
				signing := core.SigningSecrets(e.Secret, e.OldSecrets, e.OldSecretsExpireAt, now.Add(at))
				if len(signing) != 1+n || signing[0].Text() != secret.Text() || n > 0 && signing[1].Text() != old.Text() {
					t.Errorf("after %s %d secrets sign, want %d", at, len(signing), 1+n)
				}
			}
		})
	}
}

func TestEndpointSecretRotateTakesAGivenSecret(t *testing.T) {
	t.Parallel()
	service, _ := newSent(core.EndpointRules{SignatureType: core.SignatureEd25519})
	given := core.NewSecret()
	for _, in := range []core.SecretRotateIn{{Secret: given}, {}} {
		made, err := service.EndpointSecretRotate(t.Context(), scope, "acme", "main", in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := service.EndpointSecretGet(t.Context(), scope, "acme", "ep_1")
		if err != nil || got.Text() != made.Text() || !in.Secret.IsZero() && made.Text() != given.Text() {
			t.Errorf("the secret is %s, want %s; %v", got.Text(), made.Text(), err)
		}
		if signs, _ := made.Key(); in.Secret.IsZero() && signs != core.SignatureEd25519 {
			t.Errorf("a generated secret signs as %s", signs)
		}
	}
}

func TestEndpointSecretRotateHasALimit(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	rotate := func() error {
		_, err := service.EndpointSecretRotate(t.Context(), scope, "acme", "main", core.SecretRotateIn{})
		return err
	}
	for range 10 {
		if err := rotate(); err != nil {
			t.Fatal(err)
		}
	}
	latest := store.Endpoints[0].Secret.Text()
	wantError(t, rotate(), core.KindBadRequest, "limit_reached")
	if e := store.Endpoints[0]; e.Secret.Text() != latest || len(e.OldSecrets) != 10 || len(store.Told) != 10 {
		t.Errorf("%d old secrets, told %d times", len(e.OldSecrets), len(store.Told))
	}
}

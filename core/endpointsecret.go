package core

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	graceDefault = 24 * time.Hour
	graceMost    = 7 * 24 * time.Hour
	oldSecrets   = 10 // valid at a time
)

// SecretRotateIn holds the parameters of a secret rotation.
type SecretRotateIn struct {
	Secret Secret         // zero: one is generated
	Grace  *time.Duration // how long the old secret still signs; nil: a day
}

// EndpointSecretRotate gives an endpoint a new secret and returns it. The previous secret also signs until its grace
// period ends. A token that may rotate secrets may also read them.
func (s *Service) EndpointSecretRotate(ctx context.Context, scope Scope, appRef, ref string, in SecretRotateIn) (Secret, error) {
	app, err := s.changeable(ctx, scope, CapabilityManageEndpointSecret, appRef)
	if err != nil {
		return Secret{}, err
	}
	if in.Grace == nil {
		in.Grace = new(graceDefault)
	}
	if *in.Grace < 0 || *in.Grace > graceMost {
		return Secret{}, Invalid("gracePeriodSeconds must be between 0 and 604800 (7 days)", "body", "gracePeriodSeconds")
	}
	if in.Secret.IsZero() {
		in.Secret = s.rules.SignatureType.NewSecret()
	}
	_, err = s.endpointChange(ctx, app, ref, func(ctx context.Context, tx Tx, e *Endpoint) ([]string, error) {
		if err := e.rotate(in.Secret, *in.Grace, s.now()); err != nil {
			return nil, err
		}
		return []string{eventEndpointUpdated}, tx.EndpointUpdateSecret(ctx, *e)
	})
	if err != nil {
		return Secret{}, err
	}
	return in.Secret, nil
}

// rotate replaces the secret, and removes old ones whose grace period is over.
func (e *Endpoint) rotate(secret Secret, grace time.Duration, now time.Time) error {
	good := SigningSecrets(e.Secret, e.OldSecrets, e.OldSecretsExpireAt, now)[1:]
	expireAt := slices.DeleteFunc(slices.Clone(e.OldSecretsExpireAt), func(at time.Time) bool { return !at.After(now) })
	if len(good) >= oldSecrets {
		return &Error{Kind: KindBadRequest, Code: "limit_reached", Message: fmt.Sprintf(
			"An endpoint may have %d old secrets that still sign; wait until the next one expires, at %s, or rotate with a shorter gracePeriodSeconds.",
			oldSecrets, slices.MinFunc(expireAt, time.Time.Compare).Format(time.RFC3339))}
	}
	if grace > 0 {
		good = slices.Insert(good, 0, e.Secret)
		expireAt = slices.Insert(expireAt, 0, now.Add(grace))
	}
	e.Secret, e.OldSecrets, e.OldSecretsExpireAt, e.UpdatedAt = secret, good, expireAt, now
	return nil
}

// SigningSecrets returns the secrets that sign at that time: the current one, then old ones in their grace period. S
// is Secret or its stored form, so that expired secrets need not be read.
func SigningSecrets[S any](secret S, old []S, expireAt []time.Time, now time.Time) []S {
	secrets := []S{secret}
	for i, s := range old {
		if expireAt[i].After(now) {
			secrets = append(secrets, s)
		}
	}
	return secrets
}

// EndpointSecretGet returns the secret of an endpoint, which it finds by id or uid.
func (s *Service) EndpointSecretGet(ctx context.Context, scope Scope, appRef, ref string) (Secret, error) {
	if err := scope.may(CapabilityViewEndpointSecret); err != nil {
		return Secret{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	return e.Secret, err
}

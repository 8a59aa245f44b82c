package core

import (
	"testing"
	"time"
)

func TestEndpointSecretKeepsOldOnesForTheirGrace(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	first, second, third := NewSecret(), NewSecret(), NewSecret()
	e := Endpoint{Secret: first}
	rotate := func(s Secret, grace time.Duration) {
		t.Helper()
		if err := e.rotate(s, grace, at); err != nil {
			t.Fatal(err)
		}
	}
	signing := func(at time.Time) (texts []string) {
		for _, s := range SigningSecrets(e.Secret, e.OldSecrets, e.OldSecretsExpireAt, at) {
			texts = append(texts, s.Text())
		}
		return texts
	}
	rotate(second, time.Hour)
	at = at.Add(time.Minute)
	rotate(third, 2*time.Hour)
	for after, want := range map[time.Duration][]Secret{
		0: {third, second, first}, 59 * time.Minute: {third, second}, 2 * time.Hour: {third},
	} {
		got := signing(at.Add(after))
		if len(got) != len(want) {
			t.Errorf("after %s: %d secrets sign, want %d", after, len(got), len(want))
			continue
		}
		for i, s := range want {
			if got[i] != s.Text() {
				t.Errorf("after %s: the wrong secret signs in place %d", after, i)
			}
		}
	}
	at = at.Add(3 * time.Hour)
	rotate(first, 0)
	if len(e.OldSecrets) != 0 || len(e.OldSecretsExpireAt) != 0 || e.Secret.Text() != first.Text() || !e.UpdatedAt.Equal(at) {
		t.Errorf("%d old secrets are kept without need", len(e.OldSecrets))
	}
}

func TestEndpointSecretRotatesTenTimesAndNoMore(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	e := Endpoint{Secret: NewSecret()}
	for n := range oldSecrets {
		if err := e.rotate(NewSecret(), time.Duration(oldSecrets-n)*time.Hour, at); err != nil {
			t.Fatal(err)
		}
	}
	err := e.rotate(NewSecret(), time.Hour, at)
	const want = "limit_reached: An endpoint may have 10 old secrets that still sign; wait until the next one expires, at " +
		"2026-01-31T10:30:00Z, or rotate with a shorter gracePeriodSeconds."
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := e.rotate(NewSecret(), 0, at.Add(time.Hour)); err != nil || len(e.OldSecrets) != oldSecrets-1 {
		t.Errorf("%d old secrets, %v once one has expired", len(e.OldSecrets), err)
	}
}

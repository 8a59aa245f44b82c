package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// token returns a token of the world's application, issued at the given time for a session.
func (w *world) token(hash, session string, at time.Time) core.Token {
	return core.Token{
		Scope: core.Scope{OrgID: testOrg, AppID: w.app.ID}, Hash: []byte(hash), SessionID: session,
		IssuedAt: at, ExpiresAt: at.Add(core.AppTokenLifetime),
	}
}

// revokes checks whether a token is revoked at the given time.
func (w *world) revokes(at time.Time, token core.Token, want bool) {
	w.t.Helper()
	got, err := w.TokenRevocationExists(w.t.Context(), token, at)
	if err != nil || got != want {
		w.t.Errorf("token %s of session %q, issued at %s: revoked %t, %v; want %t", token.Hash, token.SessionID, token.IssuedAt, got, err, want)
	}
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := now()
	us := time.Microsecond
	revoke := func(r core.TokenRevocation) {
		t.Helper()
		r.OrgID, r.AppID = testOrg, w.app.ID
		w.in(func(ctx context.Context, tx core.Tx) error { return tx.TokenRevocationInsertMany(ctx, r) })
	}
	old, young := w.token("old", "", at.Add(-us)), w.token("young", "", at)
	s1, s2, s3 := w.token("s1", "one", at.Add(-us)), w.token("s2", "two", at.Add(-us)), w.token("s3", "two", at)
	all := []core.Token{old, young, s1, s2, s3, w.token("nothing known", "", time.Time{})}
	for _, token := range all {
		w.revokes(at, token, false)
	}

	revoke(core.TokenRevocation{TokenHash: old.Hash, IssuedBefore: at, EffectiveAt: at})
	w.revokes(at, old, true)
	w.revokes(at, young, false)
	w.revokes(at, s1, false)

	revoke(core.TokenRevocation{SessionIDs: []string{"two", "three"}, IssuedBefore: at, EffectiveAt: at.Add(time.Second)})
	w.revokes(at, s2, false)
	at = at.Add(time.Second)
	w.revokes(at, s2, true)
	w.revokes(at, s1, false)
	w.revokes(at, s3, false)
	w.revokes(at, young, false)

	revoke(core.TokenRevocation{IssuedBefore: young.IssuedAt.Add(us), EffectiveAt: at})
	for _, token := range all {
		w.revokes(at, token, true)
	}
	w.revokes(at, w.token("later", "two", at), false)

	// These are a neighbour's token, and a token of another organisation that names the application.
	neighbour := w.addApplication(testOrg, "neighbour")
	foreign := old
	foreign.AppID = neighbour.ID
	w.revokes(at, foreign, false)
	foreign.AppID, foreign.OrgID = w.app.ID, "org_other"
	w.revokes(at, foreign, false)
}

func TestRevocationsOfOrganisations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := now()
	ofOrg := func(hash string, at time.Time) core.Token {
		return core.Token{Scope: core.Scope{OrgID: testOrg}, Hash: []byte(hash), IssuedAt: at}
	}
	one, other, customer := ofOrg("one", at), ofOrg("other", at), w.token("one", "", at)
	neighbour := ofOrg("the neighbour's", at)
	neighbour.OrgID = "org_other"
	clock := time.Now()
	w.clock.local = func() time.Time { clock = clock.Add(TokenTrust); return clock } // no token is trusted
	for _, token := range []core.Token{one, other, customer, neighbour} {
		w.revokes(at, token, false)
	}
	if err := w.revocations().TokenRevoke(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	w.revokes(now(), one, true)
	for _, token := range []core.Token{other, customer, neighbour} {
		w.revokes(now(), token, false)
	}
	if err := w.revocations().TokenRevokeMany(t.Context(), testOrg); err != nil {
		t.Fatal(err)
	}
	w.revokes(now(), other, true)
	w.revokes(now(), ofOrg("never issued", time.Time{}), true)
	w.revokes(now(), ofOrg("later", now().Add(time.Minute)), false)
	w.revokes(now(), customer, false)
	w.revokes(now(), neighbour, false)
}

// TestTokensAreTrustedForAMoment: tokens of applications are not trusted, because their bearers expect a logout to
// take effect.
func TestTokensAreTrustedForAMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at, clock := now(), time.Now()
	w.clock.local = func() time.Time { return clock }
	org := core.Token{Scope: core.Scope{OrgID: testOrg}, Hash: []byte("one"), IssuedAt: at}
	app := w.token("two", "", at)
	for _, token := range []core.Token{org, app} {
		w.revokes(at, token, false)
		if err := w.revocations().TokenRevoke(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	clock = clock.Add(TokenTrust - 1)
	w.revokes(now(), org, false)
	w.revokes(now(), app, true)
	clock = clock.Add(1)
	w.revokes(now(), org, true)
	clock = clock.Add(-1) // it is not remembered as valid again, not even if the clock goes back
	w.revokes(now(), app, true)
	for n := range 2 * trustedMax {
		w.trusted.put([]byte(fmt.Sprint(n)), clock)
	}
	if n := len(w.trusted.begun); n > trustedMax {
		t.Errorf("%d tokens are remembered", n)
	}
}

// TestRevocationsOfManyTokensAtOnce checks more tokens than one statement takes. Some of them occur twice, and one
// cannot be sent to Postgres at all.
func TestRevocationsOfManyTokensAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := now()
	for _, n := range []int{3, 600} {
		if err := w.revocations().TokenRevoke(t.Context(), w.token(fmt.Sprint(n), "", at)); err != nil {
			t.Fatal(err)
		}
	}
	var asked sync.WaitGroup
	for n := range 1200 {
		asked.Go(func() {
			n /= 2
			w.revokes(now(), w.token(fmt.Sprint(n), "", at), n == 3 || n == 600)
		})
	}
	asked.Go(func() {
		if _, err := w.TokenRevocationExists(t.Context(), w.token("odd", "\x00", at), at); err == nil {
			t.Error("a session that Postgres cannot take was looked for")
		}
	})
	asked.Wait()
}

func TestLogoutIsForOneTokenAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, other := w.token("a", "s", now()), w.token("b", "s", now())
	if err := w.service().AuthLogout(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	w.revokes(now().Add(-10*time.Minute), token, true) // by a slow clock
	w.revokes(now(), other, false)
	if err := w.service().AuthLogout(t.Context(), core.Token{Scope: core.Scope{OrgID: testOrg}}); !core.IsKind(err, core.KindBadRequest) {
		t.Errorf("a token of an organisation: %v", err)
	}
	// The longest ids and the oddest times cause no failure either.
	odd := core.Token{Scope: core.Scope{OrgID: "org_\u2028", AppID: "app_nowhere"}, Hash: make([]byte, 32)}
	if err := w.service().AuthLogout(t.Context(), odd); err != nil {
		t.Error(err)
	}
	w.revokes(now(), odd, true)
}

func TestExpireAllOfManySessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var sessions []string
	for n := range 1000 {
		sessions = append(sessions, fmt.Sprint("session_", n))
	}
	scope := core.Scope{OrgID: testOrg}
	before := w.token("a", "session_999", now().Add(-time.Second))
	in := core.AuthExpireAllIn{SessionIDs: sessions}
	if err := w.service().AuthExpireAll(t.Context(), scope, "acme", in); err != nil {
		t.Fatal(err)
	}
	w.revokes(now(), before, true)
	w.revokes(now(), w.token("a", "session_1000", before.IssuedAt), false)
	if n := value[int](w, "SELECT count(*) FROM token_revocation WHERE forget_at > now() + interval '28 days'"); n != 1000 {
		t.Errorf("%d rows are kept until the last of the tokens has expired, want 1000", n)
	}
	in.SessionIDs = append(in.SessionIDs, "one too many")
	if err := w.service().AuthExpireAll(t.Context(), scope, "acme", in); !core.IsKind(err, core.KindInvalid) {
		t.Errorf("1001 sessions: %v", err)
	}
	for name, err := range map[string]error{
		"another organisation": w.service().AuthExpireAll(t.Context(), core.Scope{OrgID: "org_other"}, string(w.app.ID), core.AuthExpireAllIn{}),
		"an application":       w.service().AuthExpireAll(t.Context(), before.Scope, "acme", core.AuthExpireAllIn{}),
	} {
		if !core.IsKind(err, core.KindNotFound) && !core.IsKind(err, core.KindForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.revokes(now(), w.token("b", "", before.IssuedAt), false)
}

// prunes returns how many revocations are deleted at the given time.
func (w *world) prunes(at time.Time) int64 {
	w.t.Helper()
	n, err := w.TokenRevocationPrune(w.t.Context(), at)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestTokensThatNeverExpireStayRevoked looks for a token that becomes valid again once its revocation is old enough
// to be deleted.
func TestTokensThatNeverExpireStayRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scope := core.Scope{OrgID: testOrg}
	issued := now().Add(-time.Second)
	out, gone := w.token("logged out", "", issued), w.token("gone", "", issued)
	out.ExpiresAt, gone.ExpiresAt = time.Time{}, time.Time{}
	short := w.token("short", "", issued)
	for _, token := range []core.Token{out, short} {
		if err := w.service().AuthLogout(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	for n, seconds := range []int64{0, 60, 0, 3600} {
		if err := w.service().AuthExpireAll(t.Context(), scope, "acme", core.AuthExpireAllIn{Seconds: seconds}); err != nil {
			t.Fatal(n, err)
		}
	}
	w.revokes(now(), gone, true)
	if n := w.prunes(now().Add(time.Minute)); n != 2 {
		t.Errorf("%d rows were forgotten, want the two that a later one at once made needless", n)
	}
	w.revokes(now(), gone, true)
	w.prunes(now().AddDate(0, 0, 29))
	if n := value[int](w, "SELECT count(*) FROM token_revocation"); n != 2 {
		t.Errorf("%d rows are left, want one for the logout and the latest for all", n)
	}
	for _, token := range []core.Token{out, gone} {
		w.revokes(now().AddDate(10, 0, 0), token, true)
	}
}

func TestRevocationsAreForgottenAFewAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO token_revocation (org_id, app_id, session_id, issued_before, effective_at, forget_at)
		SELECT 'org_test', 'app_' || n, 's', now(), now(), now() + n * interval '1 second' FROM generate_series(1, 1500) AS n`)
	at := now()
	for _, want := range []int64{0, 1000, 500, 0} {
		if got := w.prunes(at); got != want {
			t.Errorf("%d forgotten, want %d", got, want)
		}
		at = at.Add(time.Hour)
	}
}

// TestPrunersTakeDifferentRows prunes while another transaction has pruned but not committed.
func TestPrunersTakeDifferentRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO token_revocation (org_id, app_id, session_id, issued_before, effective_at, forget_at)
		SELECT 'org_test', 'app_' || n, 's', now(), now(), now() FROM generate_series(1, 1200) AS n`)
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rollback(t.Context(), tx)
	at := now().Add(time.Hour)
	if _, err := tx.Exec(t.Context(), "DELETE FROM token_revocation WHERE app_id < 'app_2'"); err != nil {
		t.Fatal(err)
	}
	rest := value[int64](w, "SELECT count(*) FROM token_revocation WHERE app_id >= 'app_2'")
	if n := w.prunes(at); n != rest {
		t.Errorf("%d forgotten, want the %d that nobody else is about to", n, rest)
	}
}

package core

import (
	"context"
	"fmt"
	"time"
)

// TokenRevocation says that tokens of one application, or of an organisation itself, are no longer good: those
// of them that were issued before IssuedBefore, from EffectiveAt on.
type TokenRevocation struct {
	OrgID        OrgID
	AppID        AppID    // empty: of the organisation itself, and not of its applications
	TokenHash    []byte   // only the token that has it; nil: not just one
	SessionIDs   []string // only those of these sessions; nil: of all, and of none
	IssuedBefore time.Time
	EffectiveAt  time.Time
	ForgetAt     *time.Time // no token that it is about is good any more, whatever it says here; nil: some may always be
}

// TokenRevocationPruner forgets what is about tokens that have expired by now.
type TokenRevocationPruner interface {
	// TokenRevocationPrune forgets a bounded number and returns how many, 0 when none is left.
	TokenRevocationPrune(ctx context.Context, now time.Time) (int64, error)
}

// TokenIsRevoked reports whether a valid token was revoked.
func (s *Service) TokenIsRevoked(ctx context.Context, token Token) (bool, error) {
	return s.Store.TokenRevocationExists(ctx, token, s.now())
}

// AuthLogout ends the token it is called with, at once and for every process. A token of an organisation may be
// in use by many, so that its bearer cannot: whoever operates the service can, with TokenRevoke.
func (s *Service) AuthLogout(ctx context.Context, token Token) error {
	if token.AppID == "" {
		return &Error{
			Kind: KindBadRequest, Code: "not_revocable",
			Message: "A token of an organisation cannot be logged out. Whoever operates the service revokes it with postrider token revoke.",
		}
	}
	return s.TokenRevoke(ctx, token)
}

// TokenRevoke ends one token, at once and for every process.
func (s *Service) TokenRevoke(ctx context.Context, token Token) error {
	return s.tokenRevoke(ctx, TokenRevocation{
		OrgID: token.OrgID, AppID: token.AppID, TokenHash: token.Hash,
		IssuedBefore: token.IssuedAt.Add(time.Microsecond), EffectiveAt: s.atOnce(),
		ForgetAt: token.forgetAt(),
	})
}

// TokenRevokeMany ends the tokens of an organisation itself that were issued before now. Those of its applications
// are left, and ended by AuthExpireAll.
func (s *Service) TokenRevokeMany(ctx context.Context, org OrgID) error {
	return s.tokenRevoke(ctx, TokenRevocation{OrgID: org, IssuedBefore: s.now(), EffectiveAt: s.atOnce()})
}

// forgetAt is when the token can be taken for expired whatever the clock that looks at it.
func (t Token) forgetAt() *time.Time {
	if t.ExpiresAt.IsZero() {
		return nil
	}
	return new(t.ExpiresAt.Add(2 * ClockLeeway))
}

// atOnce is an instant that has come for every process, if its clock is behind ours too.
func (s *Service) atOnce() time.Time { return s.now().Add(-ClockLeeway) }

// AuthExpireAllIn is which tokens of an application shall end, and when.
type AuthExpireAllIn struct {
	Seconds    int64    // from now until they do
	SessionIDs []string // only those of these sessions; nil: all
}

const (
	expireSecondsMax = 3 * 24 * 60 * 60
	sessionIDsMax    = 1000
)

func (in AuthExpireAllIn) validate() error {
	var c checks
	c.body(in.Seconds >= 0 && in.Seconds <= expireSecondsMax, "expiry must be between 0 and 259200 (3 days)", "expiry")
	c.body(len(in.SessionIDs) <= sessionIDsMax, "sessionIds must have at most 1000 items", "sessionIds")
	for i, id := range in.SessionIDs[:min(sessionIDsMax, len(in.SessionIDs))] {
		c.sessionID(id, fmt.Sprintf("sessionIds[%d]", i))
	}
	return c.err()
}

// AuthExpireAll ends the tokens of an application, or of some sessions of it, that were made before
// now. Those made later are good.
func (s *Service) AuthExpireAll(ctx context.Context, scope Scope, appRef string, in AuthExpireAllIn) error {
	if err := scope.org(); err != nil {
		return err
	}
	if err := in.validate(); err != nil {
		return err
	}
	app, err := s.Store.ApplicationGet(ctx, scope.OrgID, appRef)
	if err != nil {
		return err
	}
	now := s.now()
	r := TokenRevocation{
		OrgID: app.OrgID, AppID: app.ID, SessionIDs: in.SessionIDs,
		IssuedBefore: now, EffectiveAt: now.Add(time.Duration(in.Seconds) * time.Second),
	}
	if in.Seconds == 0 {
		r.EffectiveAt = s.atOnce()
	}
	if r.SessionIDs != nil { // else nobody knows how long the tokens live that others made
		r.ForgetAt = new(now.Add(AppTokenLifetime + 2*ClockLeeway))
	}
	return s.tokenRevoke(ctx, r)
}

// tokenRevoke also lets what the revocation makes needless be forgotten: of those that are about all
// tokens of an application or organisation, one that is in force and the latest.
func (s *Service) tokenRevoke(ctx context.Context, r TokenRevocation) error {
	return s.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if r.TokenHash == nil && r.SessionIDs == nil {
			if err := tx.TokenRevocationSupersede(ctx, r); err != nil {
				return err
			}
		}
		return tx.TokenRevocationInsertMany(ctx, r)
	})
}

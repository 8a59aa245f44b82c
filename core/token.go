package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Token is a good token: what it reaches, and what it takes to revoke it.
type Token struct {
	Scope

	Hash      []byte    // of what was signed: tells tokens apart
	SessionID string    // names the session it was made for; empty: none
	IssuedAt  time.Time // zero: it does not say
	ExpiresAt time.Time // zero: never
}

// AppGrant is what a token of an application is made of.
type AppGrant struct {
	OrgID        OrgID
	AppID        AppID
	FeatureFlags []string
	Capabilities []Capability // nil: all
	SessionID    string       // empty: none
	IssuedAt     time.Time
	Lifetime     time.Duration
}

// TokenMaker makes tokens of applications, where there is a key to sign them with.
type TokenMaker interface {
	// CanMake is nil, or the answer to who asks for a token that cannot be made.
	CanMake() error
	App(grant AppGrant) (string, error)
}

const (
	// AppTokenLifetime is how long a token of an application is good unless less is asked for. One
	// that names a session never lives longer: after it, what revoked the session is forgotten.
	AppTokenLifetime = 28 * 24 * time.Hour

	// OrgTokenLifetime is how long a token of an organisation is good unless something else is asked for.
	OrgTokenLifetime = 365 * 24 * time.Hour

	// ClockLeeway is how far another machine's clock may be from ours.
	ClockLeeway = 15 * time.Minute

	// PortalSecondsDefault is how long a token for a customer is good, and the longest one can be.
	PortalSecondsDefault = 7 * 24 * 60 * 60

	portalSecondsMin = 60 * 60
	featureFlagsMax  = 100
)

// AppPortalAccessIn is what a client says of a token it wants for a customer.
type AppPortalAccessIn struct {
	FeatureFlags []string
	Capabilities []Capability // nil: all
	ReadOnly     bool         // of those, only the ones that change nothing
	Seconds      int64        // how long it is good
	SessionID    *string

	// Application is the application to make when the path names none.
	Application *ApplicationIn
}

func (in AppPortalAccessIn) validate() error {
	var c checks
	c.body(len(in.FeatureFlags) <= featureFlagsMax, "featureFlags may hold at most 100 items", "featureFlags")
	for i, flag := range in.FeatureFlags[:min(featureFlagsMax, len(in.FeatureFlags))] {
		c.name(flag, fmt.Sprintf("featureFlags[%d]", i))
	}
	c.capabilities(in.Capabilities)
	c.body(in.Seconds >= portalSecondsMin && in.Seconds <= PortalSecondsDefault,
		"expiry must be between 3600 (an hour) and 604800 (7 days)", "expiry")
	if in.SessionID != nil {
		c.sessionID(*in.SessionID, "sessionId")
	}
	return c.err()
}

// granted is what the token may do. Viewing is all that is left of any capability where it may only
// read; to see secrets must have been asked for.
func (in AppPortalAccessIn) granted() []Capability {
	if !in.ReadOnly {
		return in.Capabilities
	}
	views := []Capability{CapabilityViewBase}
	if slices.Contains(in.Capabilities, CapabilityViewEndpointSecret) {
		views = append(views, CapabilityViewEndpointSecret)
	}
	return views
}

// IsSessionID reports whether s can name a session.
func IsSessionID(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return r == '.' || !isNameRune(r) && r != '@'
	}) < 0
}

func (c *checks) sessionID(s, field string) {
	c.body(IsSessionID(s), "A session id is 1 to 64 letters, digits, @ _ -", field)
}

// AuthAppPortalAccess makes a token that reaches one application, for a customer. The application is
// made first where the client says how and there is none.
func (s *Service) AuthAppPortalAccess(ctx context.Context, scope Scope, appRef string, in AppPortalAccessIn) (string, error) {
	if err := scope.org(); err != nil {
		return "", err
	}
	if err := in.validate(); err != nil {
		return "", err
	}
	if err := s.tokens.CanMake(); err != nil {
		return "", err
	}
	app, err := s.store.ApplicationGet(ctx, scope.OrgID, appRef)
	if IsKind(err, KindNotFound) && in.Application != nil {
		if err := s.applicationForMessage(ctx, scope, appRef, *in.Application); err != nil {
			return "", err
		}
		app, err = s.store.ApplicationGet(ctx, scope.OrgID, appRef)
	}
	if err != nil {
		return "", noApplication(err, scope.OrgID, appRef)
	}
	grant := AppGrant{
		OrgID: app.OrgID, AppID: app.ID, FeatureFlags: in.FeatureFlags, Capabilities: in.granted(),
		IssuedAt: s.now(), Lifetime: time.Duration(in.Seconds) * time.Second,
	}
	if in.SessionID != nil {
		grant.SessionID = *in.SessionID
	}
	return s.tokens.App(grant)
}

// AuthDashboardAccess makes a token for all of an application, for as long as such tokens can be.
func (s *Service) AuthDashboardAccess(ctx context.Context, scope Scope, appRef string) (string, error) {
	return s.AuthAppPortalAccess(ctx, scope, appRef, AppPortalAccessIn{Seconds: PortalSecondsDefault})
}

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

// TokenRevocationReader reads revocations.
type TokenRevocationReader interface {
	// TokenRevocationExists reports whether anything revokes this token by now.
	TokenRevocationExists(ctx context.Context, token Token, now time.Time) (bool, error)
}

// TokenRevocationTx writes revocations in a unit of work.
type TokenRevocationTx interface {
	// TokenRevocationInsertMany stores one row for each session, or one if it names none.
	TokenRevocationInsertMany(ctx context.Context, r TokenRevocation) error
	// TokenRevocationSupersede has those about all tokens of an application, or of an organisation, that say no more than
	// this one forgotten once this one is in force.
	TokenRevocationSupersede(ctx context.Context, r TokenRevocation) error
}

// TokenRevocationPruner forgets what is about tokens that have expired by now.
type TokenRevocationPruner interface {
	// TokenRevocationPrune forgets a bounded number and returns how many, 0 when none is left.
	TokenRevocationPrune(ctx context.Context, now time.Time) (int64, error)
}

// TokenIsRevoked reports whether a valid token was revoked.
func (s *Service) TokenIsRevoked(ctx context.Context, token Token) (bool, error) {
	return s.store.TokenRevocationExists(ctx, token, s.now())
}

// AuthLogout ends the token it is called with, at once and for every process. A token of an organisation may be
// in use by many, so that its bearer cannot: whoever operates the service can, with TokenRevoke.
func (s *Service) AuthLogout(ctx context.Context, token Token) error {
	if token.AppID == "" {
		return &Error{
			Kind: KindBadRequest, Code: "not_revocable",
			Message: "A token of an organisation cannot be logged out; the operator can revoke it: postrider token revoke.",
		}
	}
	return s.revocations.TokenRevoke(ctx, token)
}

// Revocations is the use cases of the operator, who needs no token to revoke one.
type Revocations struct{ base }

// NewRevocations makes the use cases of the operator.
func NewRevocations(store Store, clock func() time.Time) *Revocations {
	return &Revocations{base{store, clock}}
}

// TokenRevoke ends one token, at once and for every process.
func (s *Revocations) TokenRevoke(ctx context.Context, token Token) error {
	return s.revoke(ctx, TokenRevocation{
		OrgID: token.OrgID, AppID: token.AppID, TokenHash: token.Hash,
		IssuedBefore: token.IssuedAt.Add(time.Microsecond), EffectiveAt: s.atOnce(),
		ForgetAt: token.forgetAt(),
	})
}

// TokenRevokeMany ends the tokens of an organisation itself that were issued before now. Those of its applications
// are left, and ended by AuthExpireAll.
func (s *Revocations) TokenRevokeMany(ctx context.Context, org OrgID) error {
	return s.revoke(ctx, TokenRevocation{OrgID: org, IssuedBefore: s.now(), EffectiveAt: s.atOnce()})
}

// forgetAt is when the token can be taken for expired whatever the clock that looks at it.
func (t Token) forgetAt() *time.Time {
	if t.ExpiresAt.IsZero() {
		return nil
	}
	return new(t.ExpiresAt.Add(2 * ClockLeeway))
}

// atOnce is an instant that has come for every process, if its clock is behind ours too.
func (b base) atOnce() time.Time { return b.now().Add(-ClockLeeway) }

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
	c.body(len(in.SessionIDs) <= sessionIDsMax, "sessionIds may hold at most 1000 items", "sessionIds")
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
	app, err := s.store.ApplicationGet(ctx, scope.OrgID, appRef)
	if err != nil {
		return noApplication(err, scope.OrgID, appRef)
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
	return s.revocations.revoke(ctx, r)
}

// revoke also lets what the revocation makes needless be forgotten: of those that are about all
// tokens of an application or organisation, one that is in force and the latest.
func (s *Revocations) revoke(ctx context.Context, r TokenRevocation) error {
	return s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if r.TokenHash == nil && r.SessionIDs == nil {
			if err := tx.TokenRevocationSupersede(ctx, r); err != nil {
				return err
			}
		}
		return tx.TokenRevocationInsertMany(ctx, r)
	})
}

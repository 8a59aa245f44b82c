package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Token is a valid token: what it gives access to, and what is needed to revoke it.
type Token struct {
	Scope

	Hash      []byte    // hash of the signed part: distinguishes tokens
	SessionID string    // the session the token was issued for; empty: none
	IssuedAt  time.Time // zero: not stated
	ExpiresAt time.Time // zero: never
}

// AppGrant describes a token of an application to be issued.
type AppGrant struct {
	OrgID        OrgID
	AppID        AppID
	FeatureFlags []string
	Capabilities []Capability // nil: all
	SessionID    string       // empty: none
	IssuedAt     time.Time
	Lifetime     time.Duration
}

// TokenMaker issues tokens of applications, if there is a key to sign them with.
type TokenMaker interface {
	// CanMake returns nil, or the error for clients that request a token that cannot be issued.
	CanMake() error
	App(grant AppGrant) (string, error)
}

const (
	// AppTokenLifetime is the lifetime of a token of an application unless a shorter one is requested. A token that
	// names a session never lives longer, because the session's revocation is forgotten after that time.
	AppTokenLifetime = 28 * 24 * time.Hour

	// OrgTokenLifetime is the lifetime of a token of an organisation unless another one is requested.
	OrgTokenLifetime = 365 * 24 * time.Hour

	// ClockLeeway is how far another machine's clock may be from ours.
	ClockLeeway = 15 * time.Minute

	// PortalSecondsDefault is the default and the longest lifetime of a token for a customer.
	PortalSecondsDefault = 7 * 24 * 60 * 60

	portalSecondsMin = 60 * 60
	featureFlagsMax  = 100
)

// AppPortalAccessIn is a client's request for a token for a customer.
type AppPortalAccessIn struct {
	FeatureFlags []string
	Capabilities []Capability // nil: all
	ReadOnly     bool         // only those of the capabilities that change nothing
	Seconds      int64        // the token's lifetime
	SessionID    *string

	// Application is the application to create if the path matches none.
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

// granted returns the token's capabilities. A read-only token keeps only the right to view; viewing secrets must
// have been requested.
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

// IsSessionID reports whether s is a valid session id.
func IsSessionID(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return r == '.' || !isNameRune(r) && r != '@'
	}) < 0
}

func (c *checks) sessionID(s, field string) {
	c.body(IsSessionID(s), "A session id is 1 to 64 letters, digits, @ _ -", field)
}

// AuthAppPortalAccess issues a token for a customer that reaches one application. If the application does not exist
// and the client describes it, it is created first.
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

// AuthDashboardAccess issues a token for everything in an application, with the longest possible lifetime.
func (s *Service) AuthDashboardAccess(ctx context.Context, scope Scope, appRef string) (string, error) {
	return s.AuthAppPortalAccess(ctx, scope, appRef, AppPortalAccessIn{Seconds: PortalSecondsDefault})
}

// TokenRevocation revokes tokens of one application, or of an organisation itself: those that were issued before
// IssuedBefore, from EffectiveAt on.
type TokenRevocation struct {
	OrgID        OrgID
	AppID        AppID    // empty: tokens of the organisation itself, not of its applications
	TokenHash    []byte   // only the token with this hash; nil: not only one token
	SessionIDs   []string // only tokens of these sessions; nil: tokens with any session or none
	IssuedBefore time.Time
	EffectiveAt  time.Time
	ForgetAt     *time.Time // all revoked tokens have expired by then; nil: some may never expire
}

// TokenRevocationReader reads revocations.
type TokenRevocationReader interface {
	// TokenRevocationExists reports whether the token is revoked at that time.
	TokenRevocationExists(ctx context.Context, token Token, now time.Time) (bool, error)
}

// TokenRevocationTx writes revocations in a unit of work.
type TokenRevocationTx interface {
	// TokenRevocationInsertMany stores one row per session, or a single row if r names no session.
	TokenRevocationInsertMany(ctx context.Context, r TokenRevocation) error
	// TokenRevocationSupersede marks the revocations that r makes redundant, among those of all tokens of an
	// application or organisation, to be forgotten once r is in force.
	TokenRevocationSupersede(ctx context.Context, r TokenRevocation) error
}

// TokenRevocationPruner deletes revocations whose tokens have expired.
type TokenRevocationPruner interface {
	// TokenRevocationPrune deletes a bounded number of revocations and returns how many; 0 means that none is left.
	TokenRevocationPrune(ctx context.Context, now time.Time) (int64, error)
}

// TokenIsRevoked reports whether a valid token was revoked.
func (s *Service) TokenIsRevoked(ctx context.Context, token Token) (bool, error) {
	return s.store.TokenRevocationExists(ctx, token, s.now())
}

// AuthLogout revokes the token it is called with, immediately and for every process. A token of an organisation may
// be used by many, so its bearer cannot revoke it; the operator of the service can, with TokenRevoke.
func (s *Service) AuthLogout(ctx context.Context, token Token) error {
	if token.AppID == "" {
		return &Error{
			Kind: KindBadRequest, Code: "not_revocable",
			Message: "A token of an organisation cannot be logged out; the operator can revoke it: postrider token revoke.",
		}
	}
	return s.revocations.TokenRevoke(ctx, token)
}

// Revocations implements the use cases of the operator, who needs no token to revoke one.
type Revocations struct{ base }

// NewRevocations returns the use cases of the operator.
func NewRevocations(store Store, clock func() time.Time) *Revocations {
	return &Revocations{base{store, clock}}
}

// TokenRevoke revokes one token, immediately and for every process.
func (s *Revocations) TokenRevoke(ctx context.Context, token Token) error {
	return s.revoke(ctx, TokenRevocation{
		OrgID: token.OrgID, AppID: token.AppID, TokenHash: token.Hash,
		IssuedBefore: token.IssuedAt.Add(time.Microsecond), EffectiveAt: s.atOnce(),
		ForgetAt: token.forgetAt(),
	})
}

// TokenRevokeMany revokes the tokens of an organisation itself that were issued before now. Tokens of its
// applications stay valid; AuthExpireAll revokes those.
func (s *Revocations) TokenRevokeMany(ctx context.Context, org OrgID) error {
	return s.revoke(ctx, TokenRevocation{OrgID: org, IssuedBefore: s.now(), EffectiveAt: s.atOnce()})
}

// forgetAt returns when the token counts as expired by any process's clock.
func (t Token) forgetAt() *time.Time {
	if t.ExpiresAt.IsZero() {
		return nil
	}
	return new(t.ExpiresAt.Add(2 * ClockLeeway))
}

// atOnce returns an instant that is in the past for every process, even if its clock is behind ours.
func (b base) atOnce() time.Time { return b.now().Add(-ClockLeeway) }

// AuthExpireAllIn selects the tokens of an application to revoke, and when.
type AuthExpireAllIn struct {
	Seconds    int64    // from now until the revocation takes effect
	SessionIDs []string // only tokens of these sessions; nil: all
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

// AuthExpireAll revokes the tokens of an application, or of some of its sessions, that were issued before now.
// Tokens issued later are valid.
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
	if r.SessionIDs != nil { // otherwise others issued the tokens, with unknown lifetimes
		r.ForgetAt = new(now.Add(AppTokenLifetime + 2*ClockLeeway))
	}
	return s.revocations.revoke(ctx, r)
}

// revoke also lets redundant revocations be forgotten: of those about all tokens of an application or organisation,
// it keeps one that is in force and the latest one.
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

// Package token issues and verifies the tokens that clients send: JWTs signed with the keys of one algorithm. It
// contains the keys, the claims of a token, and the reasons for rejecting one. It must not know HTTP or which tokens
// were revoked: revocations are stored, and core asks the store.
package token

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postrider/postrider/core"
)

// An Authority issues and verifies tokens, which are JWTs. It accepts only one algorithm, whatever a token's header
// says. Tokens are not stored: anyone with the signing key can issue one for any organisation, and organisations
// exist only in tokens.
type Authority struct {
	key    Key  // signs tokens
	keys   Keys // verify tokens
	clock  func() time.Time
	parser *jwt.Parser
	times  *jwt.Validator

	mu       sync.RWMutex
	verified map[string]claims // tokens with a valid signature; their times are checked on each use
}

// verifiedMost limits the memory for verified tokens. When it is exceeded, all are forgotten and verified again.
const verifiedMost = 1000

// New returns an authority with the given keys. There must be at least one.
func New(keys Keys, clock func() time.Time) *Authority {
	times := []jwt.ParserOption{jwt.WithLeeway(core.ClockLeeway), jwt.WithTimeFunc(clock), jwt.WithIssuedAt()}
	parser := jwt.NewParser(append(times, jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{keys[0].method.Alg()}))...)
	return &Authority{key: keys[0], keys: keys, clock: clock, parser: parser, times: jwt.NewValidator(times...), verified: map[string]claims{}}
}

// claims are the claims of a token. Existing servers do not check the issuer, and neither do we.
type claims struct {
	jwt.RegisteredClaims
	Org          *string           `json:"org,omitempty"`
	FeatureFlags []string          `json:"feature_flags,omitempty"`
	Capabilities []core.Capability `json:"capabilities,omitzero"` // all if absent, none if empty
	SessionID    string            `json:"session_id,omitempty"`

	// Microseconds is the fraction of a second by which the token is younger than iat says. A fraction in iat itself
	// would express the same, but not every JWT library accepts one, and most that do read JSON numbers as
	// floating-point.
	Microseconds int64 `json:"iat_us,omitempty"`
}

var _ core.TokenMaker = (*Authority)(nil)

// CanMake implements [core.TokenMaker].
func (a *Authority) CanMake() error {
	if a.key.CanSign() {
		return nil
	}
	return &core.Error{
		Kind: core.KindBadRequest, Code: "no_signing_key",
		Message: "This service has only a public key and cannot issue tokens; have them issued where the private key is.",
	}
}

// Org issues a token for a whole organisation.
func (a *Authority) Org(org core.OrgID, lifetime time.Duration) (string, error) {
	if !core.IsOrgID(string(org)) {
		return "", fmt.Errorf("%q is not a valid organisation id: it must begin with org_ and must not be the reserved one", org)
	}
	now := a.clock()
	return a.sign(claims{Microseconds: microseconds(now)}, string(org), now, lifetime)
}

// App issues a token for one application.
func (a *Authority) App(g core.AppGrant) (string, error) {
	if !core.IsOrgID(string(g.OrgID)) || !core.IsAppID(string(g.AppID)) {
		return "", fmt.Errorf("%q is not an organisation id, or %q is not an application id", g.OrgID, g.AppID)
	}
	c := claims{
		Org: (*string)(&g.OrgID), FeatureFlags: g.FeatureFlags, Capabilities: g.Capabilities, SessionID: g.SessionID,
		Microseconds: microseconds(g.IssuedAt),
	}
	return a.sign(c, string(g.AppID), g.IssuedAt, g.Lifetime)
}

func microseconds(at time.Time) int64 { return int64(at.Nanosecond() / int(time.Microsecond)) }

func (a *Authority) sign(c claims, subject string, at time.Time, lifetime time.Duration) (string, error) {
	if err := a.CanMake(); err != nil {
		return "", err
	}
	c.RegisteredClaims = jwt.RegisteredClaims{
		Issuer: "svix-server", Subject: subject, IssuedAt: jwt.NewNumericDate(at),
		NotBefore: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(at.Add(lifetime)),
	}
	return jwt.NewWithClaims(a.key.method, c).SignedString(a.key.sign)
}

// Parse parses and verifies a token, but does not check whether it was revoked. Its error is a core.Error that says
// what is wrong with the token, without details that would help an attacker to guess.
func (a *Authority) Parse(token string) (core.Token, error) {
	c, err := a.verify(token)
	switch {
	case err != nil:
		return core.Token{}, a.untrusted(token, err)
	case c.Subject == "":
		return core.Token{}, unauthenticated("Invalid token: the claim `sub` is missing.")
	case c.Org == nil:
		return orgToken(c, token)
	}
	return appToken(c, token)
}

// verify checks a token's signature and times. The same few tokens come with every request, and verifying one is a
// tenth of all the work on a small message, so tokens with a valid signature are cached.
func (a *Authority) verify(token string) (claims, error) {
	a.mu.RLock()
	c, known := a.verified[token]
	a.mu.RUnlock()
	if known {
		return c, a.times.Validate(c)
	}
	if _, err := a.parser.ParseWithClaims(token, &c, a.verifier); err != nil {
		return claims{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.verified) >= verifiedMost {
		clear(a.verified)
	}
	a.verified[token] = c
	return c, nil
}

// verifier returns our keys if the token's header requires no extension, because we support none (RFC 7515, crit).
func (a *Authority) verifier(token *jwt.Token) (any, error) {
	if token.Header["crit"] != nil {
		return nil, jwt.ErrTokenUnverifiable
	}
	return a.keys.verifying(), nil
}

func orgToken(c claims, token string) (core.Token, error) {
	if !core.IsOrgID(c.Subject) || !isText(c.Subject) {
		return core.Token{}, &core.Error{
			Kind: core.KindBadRequest, Code: "bad_token", Message: "The token's claim `sub` is not a valid organisation id: it must begin with org_.",
		}
	}
	return core.Token{
		Scope: core.Scope{OrgID: core.OrgID(c.Subject)},
		Hash:  tokenHash(token), IssuedAt: c.issuedAt(), ExpiresAt: c.expiresAt(),
	}, nil
}

func appToken(c claims, token string) (core.Token, error) {
	// The code contains a space because existing clients compare with it.
	const code = "bad token"
	if !core.IsOrgID(*c.Org) || !isText(*c.Org) {
		return core.Token{}, &core.Error{Kind: core.KindBadRequest, Code: code, Message: "The token's claim `org` is not a valid organisation id: it must begin with org_."}
	}
	if !core.IsAppID(c.Subject) || !isText(c.Subject) {
		return core.Token{}, &core.Error{Kind: core.KindBadRequest, Code: code, Message: "The token's claim `sub` is not a valid application id: it must begin with app_."}
	}
	out := core.Token{
		Scope: core.Scope{
			OrgID: core.OrgID(*c.Org), AppID: core.AppID(c.Subject),
			FeatureFlags: slices.DeleteFunc(slices.Clone(c.FeatureFlags), func(flag string) bool { return !isText(flag) }),
			Capabilities: c.Capabilities,
		},
		Hash: tokenHash(token), SessionID: c.SessionID, IssuedAt: c.issuedAt(), ExpiresAt: c.expiresAt(),
	}
	if c.SessionID != "" && !c.sessionEnds() {
		return core.Token{}, unauthenticated("Invalid token: with a `session_id`, `exp` must be at most 28 days after `iat`.")
	}
	return out, nil
}

// tokenHash returns the hash of the signed part of a token. It leaves out the signature, which with some algorithms
// others can rewrite.
func tokenHash(token string) []byte {
	hash := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return hash[:]
}

// issuedAt returns the earliest instant at which the token can have been issued. For tokens whose time is known only
// to the second, this revokes one too many rather than one too few.
func (c claims) issuedAt() time.Time {
	if c.IssuedAt == nil || c.IssuedAt.Unix() < 0 {
		return time.Time{}
	}
	at := c.IssuedAt.UTC()
	if c.Microseconds > 0 && c.Microseconds < 1_000_000 {
		at = at.Add(time.Duration(c.Microseconds) * time.Microsecond)
	}
	return at
}

// expiresAt returns when the token expires. It treats a time beyond the calendar, which Postgres cannot store, as
// never.
func (c claims) expiresAt() time.Time {
	if c.ExpiresAt == nil || c.ExpiresAt.Year() > 9999 {
		return time.Time{}
	}
	return c.ExpiresAt.UTC()
}

// sessionEnds reports whether the token may name a session: it names one, and the session's revocation is remembered
// for longer than the token lives.
func (c claims) sessionEnds() bool {
	return core.IsSessionID(c.SessionID) && !c.expiresAt().IsZero() && c.expiresAt().Sub(c.issuedAt()) <= core.AppTokenLifetime
}

// isText reports whether Postgres can store s as text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

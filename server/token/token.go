// Package token issues and verifies the tokens that clients send: JWTs signed with the keys of one algorithm. It holds
// the keys, what a token says, and the reasons for which one is refused. It must not know HTTP, nor which tokens were
// revoked: that is stored, and core asks the store.
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

// An Authority issues and verifies tokens: JWTs signed by one algorithm, and by no other whatever a token's header
// says. Tokens are not stored; anyone with the signing key can issue one for any organisation, and organisations exist
// in tokens alone.
type Authority struct {
	key    Key  // signs
	keys   Keys // verify
	clock  func() time.Time
	parser *jwt.Parser
	times  *jwt.Validator

	mu       sync.RWMutex
	verified map[string]claims // tokens whose signature was found right; their times are looked at each time
}

// verifiedMost bounds the memory for tokens. Beyond it all are forgotten and verified again.
const verifiedMost = 1000

// New returns the authority that has keys, of which there must be one.
func New(keys Keys, clock func() time.Time) *Authority {
	times := []jwt.ParserOption{jwt.WithLeeway(core.ClockLeeway), jwt.WithTimeFunc(clock), jwt.WithIssuedAt()}
	parser := jwt.NewParser(append(times, jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{keys[0].method.Alg()}))...)
	return &Authority{key: keys[0], keys: keys, clock: clock, parser: parser, times: jwt.NewValidator(times...), verified: map[string]claims{}}
}

// claims is what a token says. Existing servers do not look at the issuer, and no more do we.
type claims struct {
	jwt.RegisteredClaims
	Org          *string           `json:"org,omitempty"`
	FeatureFlags []string          `json:"feature_flags,omitempty"`
	Capabilities []core.Capability `json:"capabilities,omitzero"` // absent: all; empty: none
	SessionID    string            `json:"session_id,omitempty"`

	// Microseconds is the part of a second by which the token is younger than iat says. A fraction in
	// iat itself would say the same, but not every reader of tokens takes one, and JSON numbers are
	// floating-point to most that do.
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

// Org makes a token for all of an organisation.
func (a *Authority) Org(org core.OrgID, lifetime time.Duration) (string, error) {
	if !core.IsOrgID(string(org)) {
		return "", fmt.Errorf("%q is not a valid organisation id: it must begin with org_ and must not be the reserved one", org)
	}
	now := a.clock()
	return a.sign(claims{Microseconds: microseconds(now)}, string(org), now, lifetime)
}

// App makes a token for one application.
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

// Parse reads a token, but does not look whether it was revoked. Its errors are a core.Error that says
// what is wrong with it, as far as that is no help to who guesses.
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

// verify checks a token's signature and times. The same few tokens come with every request, and to
// verify one is a tenth of all the work on a small message, so the right ones are remembered.
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

// verifier is our keys, for a token whose header asks for no extension: we know none (RFC 7515, crit).
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
	// The space in the code is what existing clients compare with.
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

// tokenHash is of what was signed and not of the signature, which some algorithms let others rewrite.
func tokenHash(token string) []byte {
	hash := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return hash[:]
}

// issuedAt is the least instant at which the token can have been issued, so that of tokens that know
// no more than the second one too many is revoked rather than one too few.
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

// expiresAt takes what is beyond the calendar, and what Postgres can hold, for never.
func (c claims) expiresAt() time.Time {
	if c.ExpiresAt == nil || c.ExpiresAt.Year() > 9999 {
		return time.Time{}
	}
	return c.ExpiresAt.UTC()
}

// sessionEnds tells whether the token is a good one to name a session: it is one, and what revokes
// the session is remembered longer than the token lives.
func (c claims) sessionEnds() bool {
	return core.IsSessionID(c.SessionID) && !c.expiresAt().IsZero() && c.expiresAt().Sub(c.issuedAt()) <= core.AppTokenLifetime
}

// isText reports whether Postgres can take s as text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

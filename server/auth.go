package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postrider/postrider/core"
)

// Tokens makes and reads the tokens that clients bear: JWTs signed by one algorithm, and by no other
// whatever a token's header says. No list of them is kept. Who has the key that signs can make a
// token for any organisation, and organisations exist in tokens alone.
type Tokens struct {
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

// NewTokens makes the tokens of keys, of which there must be one.
func NewTokens(keys Keys, clock func() time.Time) *Tokens {
	times := []jwt.ParserOption{jwt.WithLeeway(core.ClockLeeway), jwt.WithTimeFunc(clock), jwt.WithIssuedAt()}
	parser := jwt.NewParser(append(times, jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{keys[0].method.Alg()}))...)
	return &Tokens{key: keys[0], keys: keys, clock: clock, parser: parser, times: jwt.NewValidator(times...), verified: map[string]claims{}}
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

var _ core.TokenMaker = (*Tokens)(nil)

// CanMake implements [core.TokenMaker].
func (t *Tokens) CanMake() error {
	if t.key.CanSign() {
		return nil
	}
	return &core.Error{
		Kind: core.KindBadRequest, Code: "no_signing_key",
		Message: "This service has a public key alone: it verifies tokens, and whoever has the private key makes them.",
	}
}

// Org makes a token for all of an organisation.
func (t *Tokens) Org(org core.OrgID, lifetime time.Duration) (string, error) {
	if !core.IsOrgID(string(org)) {
		return "", fmt.Errorf("%q is not a valid organization id: it must begin with org_, and not be the reserved one", org)
	}
	now := t.clock()
	return t.sign(claims{Microseconds: microseconds(now)}, string(org), now, lifetime)
}

// App makes a token for one application.
func (t *Tokens) App(g core.AppGrant) (string, error) {
	if !core.IsOrgID(string(g.OrgID)) || !core.IsAppID(string(g.AppID)) {
		return "", fmt.Errorf("%q is not an organization's id, or %q not an application's", g.OrgID, g.AppID)
	}
	c := claims{
		Org: (*string)(&g.OrgID), FeatureFlags: g.FeatureFlags, Capabilities: g.Capabilities, SessionID: g.SessionID,
		Microseconds: microseconds(g.IssuedAt),
	}
	return t.sign(c, string(g.AppID), g.IssuedAt, g.Lifetime)
}

func microseconds(at time.Time) int64 { return int64(at.Nanosecond() / int(time.Microsecond)) }

func (t *Tokens) sign(c claims, subject string, at time.Time, lifetime time.Duration) (string, error) {
	if err := t.CanMake(); err != nil {
		return "", err
	}
	c.RegisteredClaims = jwt.RegisteredClaims{
		Issuer: "svix-server", Subject: subject, IssuedAt: jwt.NewNumericDate(at),
		NotBefore: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(at.Add(lifetime)),
	}
	return jwt.NewWithClaims(t.key.method, c).SignedString(t.key.sign)
}

// Parse reads a token, but does not look whether it was revoked. Its errors are a core.Error that says
// what is wrong with it, as far as that is no help to who guesses.
func (t *Tokens) Parse(token string) (core.Token, error) {
	c, err := t.verify(token)
	switch {
	case err != nil:
		return core.Token{}, t.untrusted(token)
	case c.Subject == "":
		return core.Token{}, unauthenticated("Invalid token (missing `sub`).")
	case c.Org == nil:
		return orgToken(c, token)
	}
	return appToken(c, token)
}

// verify checks a token's signature and times. The same few tokens come with every request, and to
// verify one is a tenth of all the work on a small message, so the right ones are remembered.
func (t *Tokens) verify(token string) (claims, error) {
	t.mu.RLock()
	c, known := t.verified[token]
	t.mu.RUnlock()
	if known {
		return c, t.times.Validate(c)
	}
	if _, err := t.parser.ParseWithClaims(token, &c, t.verifier); err != nil {
		return claims{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.verified) >= verifiedMost {
		clear(t.verified)
	}
	t.verified[token] = c
	return c, nil
}

// verifier is our keys, for a token whose header asks for no extension: we know none (RFC 7515, crit).
func (t *Tokens) verifier(token *jwt.Token) (any, error) {
	if token.Header["crit"] != nil {
		return nil, jwt.ErrTokenUnverifiable
	}
	return t.keys.verifying(), nil
}

// untrusted is the answer to a token we did not sign. Who sends the secret itself is told so.
func (t *Tokens) untrusted(token string) *core.Error {
	isOurs := func(k Key) bool { return k.secret != nil && hmac.Equal([]byte(token), k.secret) }
	if slices.ContainsFunc(t.keys, isOurs) {
		return unauthenticated("Authentication failed. JWT signing secrets can not be used as tokens, please refer " +
			"to https://github.com/svix/svix-webhooks#authentication for more information.")
	}
	return unauthenticated("Invalid token")
}

func orgToken(c claims, token string) (core.Token, error) {
	if !core.IsOrgID(c.Subject) || !isText(c.Subject) {
		return core.Token{}, &core.Error{
			Kind: core.KindBadRequest, Code: "bad_token", Message: "`sub` is not a valid organization id.",
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
		return core.Token{}, &core.Error{Kind: core.KindBadRequest, Code: code, Message: "`org` is not a valid organization id"}
	}
	if !core.IsAppID(c.Subject) || !isText(c.Subject) {
		return core.Token{}, &core.Error{Kind: core.KindBadRequest, Code: code, Message: "`sub` is not a valid application id"}
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
		return core.Token{}, unauthenticated("Invalid token (`session_id` needs an `exp` at most 28 days after `iat`).")
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

func unauthenticated(message string) *core.Error {
	return &core.Error{Kind: core.KindUnauthenticated, Code: "authentication_failed", Message: message}
}

// authenticated lets a request through to a handler only with a token, and puts that into the
// request's call.
func (s *server) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, err := s.token(r.Context(), r.Header)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		c := callOf(r.Context())
		c.token, c.scope = token, token.Scope
		next(w, r.WithContext(core.WithCustomer(r.Context(), token.Customer())))
	}
}

func (s *server) token(ctx context.Context, h http.Header) (core.Token, error) {
	scheme, text, _ := strings.Cut(h.Get("Authorization"), " ")
	text = strings.TrimSpace(text)
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return core.Token{}, unauthenticated("Incorrect authentication credentials.")
	}
	token, err := s.tokens.Parse(text)
	if err != nil {
		return core.Token{}, err
	}
	revoked, err := s.handlers.service.TokenIsRevoked(ctx, token)
	if err == nil && revoked {
		err = unauthenticated("Invalid token (it was revoked, logged out or expired).")
	}
	return token, err
}

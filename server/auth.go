package server

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postrider/postrider/core"
)

// Tokens makes and reads the tokens that clients bear: JWTs signed with HMAC-SHA256, and with no
// other algorithm whatever a token's header says. No list of them is kept. Who has the secret can
// make a token for any organisation, and organisations exist in tokens alone.
type Tokens struct {
	secret []byte
	clock  func() time.Time
	parser *jwt.Parser
	times  *jwt.Validator

	mu       sync.RWMutex
	verified map[string]claims // tokens whose signature was found right; their times are looked at each time
}

// verifiedMost bounds the memory for tokens. Beyond it all are forgotten and verified again.
const verifiedMost = 1000

const (
	orgTokenLifetime = 10 * 365 * 24 * time.Hour
	appTokenLifetime = 28 * 24 * time.Hour
	clockLeeway      = 15 * time.Minute // other machines' clocks may differ from ours by this much
)

// NewTokens panics on an empty secret: everybody could sign with it.
func NewTokens(secret string, clock func() time.Time) *Tokens {
	if secret == "" {
		panic("server: the token secret is empty")
	}
	times := []jwt.ParserOption{jwt.WithLeeway(clockLeeway), jwt.WithTimeFunc(clock)}
	parser := jwt.NewParser(append(times, jwt.WithStrictDecoding(),
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}))...)
	return &Tokens{secret: []byte(secret), clock: clock, parser: parser, times: jwt.NewValidator(times...), verified: map[string]claims{}}
}

// claims is what a token says. Existing servers do not look at the issuer, and no more do we.
type claims struct {
	jwt.RegisteredClaims
	Org          *string           `json:"org,omitempty"`
	FeatureFlags []string          `json:"feature_flags,omitempty"`
	Capabilities []core.Capability `json:"capabilities,omitzero"` // absent: all; empty: none
}

// Org makes a token for all of an organisation, good for ten years.
func (t *Tokens) Org(org core.OrgID) (string, error) {
	if !core.IsOrgID(string(org)) {
		return "", fmt.Errorf("%q is not a valid organization id: it must begin with org_, and not be the reserved one", org)
	}
	return t.sign(claims{}, string(org), orgTokenLifetime)
}

// App makes a token for one application, good for 28 days. It sees the event types that have no
// feature flags, or one of featureFlags.
func (t *Tokens) App(org core.OrgID, app core.AppID, featureFlags []string) (string, error) {
	if !core.IsOrgID(string(org)) || !core.IsAppID(string(app)) {
		return "", fmt.Errorf("%q is not an organization's id, or %q not an application's", org, app)
	}
	return t.sign(claims{Org: (*string)(&org), FeatureFlags: featureFlags}, string(app), appTokenLifetime)
}

func (t *Tokens) sign(c claims, subject string, lifetime time.Duration) (string, error) {
	now := t.clock()
	c.RegisteredClaims = jwt.RegisteredClaims{
		Issuer: "svix-server", Subject: subject, IssuedAt: jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(t.secret)
}

// Parse reads a token. Its errors are a core.Error that says what is wrong with it, as far as that
// is no help to who guesses.
func (t *Tokens) Parse(token string) (core.Scope, error) {
	c, err := t.verify(token)
	switch {
	case err != nil:
		return core.Scope{}, t.untrusted(token)
	case c.Subject == "":
		return core.Scope{}, unauthenticated("Invalid token (missing `sub`).")
	case c.Org == nil:
		return orgScope(c.Subject)
	}
	return appScope(c)
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
	if _, err := t.parser.ParseWithClaims(token, &c, t.key); err != nil {
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

// key is our secret, for a token whose header asks for no extension: we know none (RFC 7515, crit).
func (t *Tokens) key(token *jwt.Token) (any, error) {
	if token.Header["crit"] != nil {
		return nil, jwt.ErrTokenUnverifiable
	}
	return t.secret, nil
}

// untrusted is the answer to a token we did not sign. Who sends the secret itself is told so.
func (t *Tokens) untrusted(token string) *core.Error {
	if hmac.Equal([]byte(token), t.secret) {
		return unauthenticated("Authentication failed. JWT signing secrets can not be used as tokens, please refer " +
			"to https://github.com/svix/svix-webhooks#authentication for more information.")
	}
	return unauthenticated("Invalid token")
}

func orgScope(subject string) (core.Scope, error) {
	if !core.IsOrgID(subject) || !isText(subject) {
		return core.Scope{}, &core.Error{
			Kind: core.KindBadRequest, Code: "bad_token", Message: "`sub` is not a valid organization id.",
		}
	}
	return core.Scope{OrgID: core.OrgID(subject)}, nil
}

func appScope(c claims) (core.Scope, error) {
	// The space in the code is what existing clients compare with.
	const code = "bad token"
	if !core.IsOrgID(*c.Org) || !isText(*c.Org) {
		return core.Scope{}, &core.Error{Kind: core.KindBadRequest, Code: code, Message: "`org` is not a valid organization id"}
	}
	if !core.IsAppID(c.Subject) || !isText(c.Subject) {
		return core.Scope{}, &core.Error{Kind: core.KindBadRequest, Code: code, Message: "`sub` is not a valid application id"}
	}
	return core.Scope{
		OrgID: core.OrgID(*c.Org), AppID: core.AppID(c.Subject),
		FeatureFlags: c.FeatureFlags, Capabilities: c.Capabilities,
	}, nil
}

func unauthenticated(message string) *core.Error {
	return &core.Error{Kind: core.KindUnauthenticated, Code: "authentication_failed", Message: message}
}

// authenticated lets a request through to a handler only with a token, and puts its scope into the
// request's call.
func (s *server) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scope, err := s.scope(r.Header)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		callOf(r.Context()).scope = scope
		next(w, r)
	}
}

func (s *server) scope(h http.Header) (core.Scope, error) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return core.Scope{}, unauthenticated("Incorrect authentication credentials.")
	}
	return s.tokens.Parse(token)
}

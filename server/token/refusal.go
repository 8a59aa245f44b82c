package token

import (
	"crypto/hmac"
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postrider/postrider/core"
)

const sendBearer = "send Authorization: Bearer, a space and the token"

// Bearer reads the token out of the value of an Authorization header. Its errors are a core.Error that says what to
// send instead, and repeats nothing of the value: it may hold a password.
func Bearer(authorization string) (string, error) {
	scheme, text, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	text = strings.TrimSpace(text)
	isBearer := strings.EqualFold(scheme, "Bearer")
	switch {
	case scheme == "":
		return "", unauthenticated("No token: " + sendBearer + ".")
	case isBearer && text == "":
		return "", unauthenticated("No token after Bearer: " + sendBearer + ".")
	case isBearer:
		return text, nil
	case strings.EqualFold(scheme, "Basic"):
		return "", unauthenticated("Basic authentication is not supported: " + sendBearer + ".")
	case text == "":
		return "", unauthenticated("The Authorization header has no scheme; Bearer is missing: " + sendBearer + ".")
	}
	return "", unauthenticated("The scheme of the Authorization header is not Bearer: " + sendBearer + ".")
}

// Revoked answers for a valid token that was revoked.
func Revoked() *core.Error {
	return unauthenticated("The token was revoked; ask for a new one.")
}

// untrusted is the answer to a token that verify refused with err. What a token says is explained only once its
// signature is right: until then the answer is the same for every reason but the form, so that it helps nobody who
// guesses at keys or claims.
func (a *Authority) untrusted(token string, err error) *core.Error {
	isOurs := func(k Key) bool { return k.secret != nil && hmac.Equal([]byte(token), k.secret) }
	switch {
	case slices.ContainsFunc(a.keys, isOurs):
		return unauthenticated("JWT signing secrets cannot be used as tokens; make a token with postrider token.")
	case errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return unauthenticated("Invalid token: it is not signed with the key of this service.")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return unauthenticated("Invalid token: it cannot be read as a JWT; check that it was copied whole.")
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthenticated("The token has expired; ask for a new one.")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return unauthenticated("The token is not valid yet; check its nbf and iat, and the clock of whoever issued it.")
	}
	return unauthenticated("Invalid token.")
}

func unauthenticated(message string) *core.Error {
	return &core.Error{Kind: core.KindUnauthenticated, Code: "authentication_failed", Message: message}
}

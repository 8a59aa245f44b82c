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

// Bearer returns the token in the value of an Authorization header. Its error is a core.Error that says what to send
// instead. The error repeats no part of the value, which may contain a password.
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

// Revoked returns the error for a valid token that was revoked.
func Revoked() *core.Error {
	return unauthenticated("The token was revoked; ask for a new one.")
}

// untrusted returns the error for a token that verify rejected with err. It explains faults in the claims only if the
// signature is valid. Otherwise the error is the same for every reason except the format, so that it does not help
// anyone to guess keys or claims.
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

package token

import (
	"crypto/hmac"
	"slices"
	"strings"

	"github.com/postrider/postrider/core"
)

// Bearer reads the token out of the value of an Authorization header. Its errors are a core.Error.
func Bearer(authorization string) (string, error) {
	scheme, text, _ := strings.Cut(authorization, " ")
	text = strings.TrimSpace(text)
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return "", unauthenticated("Incorrect authentication credentials.")
	}
	return text, nil
}

// Revoked answers for a valid token that was revoked.
func Revoked() *core.Error {
	return unauthenticated("Invalid token (it was revoked, logged out or expired).")
}

// untrusted is the answer to a token we did not sign. Who sends the secret itself is told so.
func (a *Authority) untrusted(token string) *core.Error {
	isOurs := func(k Key) bool { return k.secret != nil && hmac.Equal([]byte(token), k.secret) }
	if slices.ContainsFunc(a.keys, isOurs) {
		return unauthenticated("Authentication failed. JWT signing secrets can not be used as tokens, please refer " +
			"to https://github.com/svix/svix-webhooks#authentication for more information.")
	}
	return unauthenticated("Invalid token")
}

func unauthenticated(message string) *core.Error {
	return &core.Error{Kind: core.KindUnauthenticated, Code: "authentication_failed", Message: message}
}

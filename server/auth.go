package server

import (
	"context"
	"net/http"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
)

// authenticated calls the next handler only for requests with a valid token, and stores the token in the request's
// call.
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
	text, err := token.Bearer(h.Get("Authorization"))
	if err != nil {
		return core.Token{}, err
	}
	t, err := s.tokens.Parse(text)
	if err != nil {
		return core.Token{}, err
	}
	revoked, err := s.handlers.service.TokenIsRevoked(ctx, t)
	if err == nil && revoked {
		err = token.Revoked()
	}
	return t, err
}

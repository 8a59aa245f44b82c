package server

import (
	"context"
	"net/http"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) EndpointSecretGet(ctx context.Context, r EndpointSecretGetRequestObject) (EndpointSecretGetResponseObject, error) {
	secret, err := h.service.EndpointSecretGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID)
	return EndpointSecretGet200JSONResponse{Key: secret.Text()}, err
}

func (h *handlers) EndpointSecretRotate(ctx context.Context, r EndpointSecretRotateRequestObject) (EndpointSecretRotateResponseObject, error) {
	in, err := secretRotateIn(r.Body)
	if err != nil {
		return nil, err
	}
	secret, err := h.service.EndpointSecretRotate(ctx, scopeOf(ctx), r.AppID, r.EndpointID, in)
	return rotatedSecret{callOf(ctx).sdk, secret.Text()}, err
}

func secretRotateIn(b *EndpointSecretRotateIn) (in core.SecretRotateIn, err error) {
	if b.GracePeriodSeconds != nil {
		in.Grace = wire.Duration(*b.GracePeriodSeconds, time.Second)
	}
	if b.Key != nil {
		in.Secret, err = core.ParseSecret(*b.Key, "key")
	}
	return in, err
}

// rotatedSecret is the answer to EndpointSecretRotate, in the form that the client can read.
type rotatedSecret struct {
	to  sdk
	key string
}

// VisitEndpointSecretRotateResponse implements [EndpointSecretRotateResponseObject]. When the answer is captured for
// an idempotency key, the secret is not stored with it.
func (s rotatedSecret) VisitEndpointSecretRotateResponse(w http.ResponseWriter) error {
	if c, ok := w.(*captured); ok {
		c.answer = core.StoredAnswer{Status: http.StatusNoContent, Secret: []byte(s.key)}
		return nil
	}
	if s.to.rotatesWithoutBody() {
		return EndpointSecretRotate204Response{}.VisitEndpointSecretRotateResponse(w)
	}
	return EndpointSecretRotate200JSONResponse{Key: s.key}.VisitEndpointSecretRotateResponse(w)
}

const rotateRoute = http.MethodPost + " /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate"

// writeRotated answers a rotation sent with an idempotency key. For a repeated request it reads the secret again, but
// only if the client accepts it in the answer.
func (s *server) writeRotated(w http.ResponseWriter, r *http.Request, a core.StoredAnswer) {
	out := rotatedSecret{callOf(r.Context()).sdk, string(a.Secret)}
	if out.key == "" && !out.to.rotatesWithoutBody() {
		secret, err := s.handlers.service.EndpointSecretGet(
			r.Context(), scopeOf(r.Context()), r.PathValue("app_id"), r.PathValue("endpoint_id"))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		out.key = secret.Text()
	}
	if err := out.VisitEndpointSecretRotateResponse(w); err != nil {
		s.fail(w, r, err)
	}
}

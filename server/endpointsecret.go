package server

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
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
	return EndpointSecretRotate204Response{}, h.service.EndpointSecretRotate(ctx, scopeOf(ctx), r.AppID, r.EndpointID, in)
}

func secretRotateIn(b *EndpointSecretRotateIn) (in core.SecretRotateIn, err error) {
	if b.GracePeriodSeconds != nil {
		in.Grace = duration(*b.GracePeriodSeconds, time.Second)
	}
	if b.Key != nil {
		in.Secret, err = core.ParseSecret(*b.Key, "key")
	}
	return in, err
}

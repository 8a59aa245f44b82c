package server

import (
	"context"

	"github.com/postrider/postrider/core"
)

func (h *handlers) OperationalWebhookEndpointList(
	ctx context.Context, r OperationalWebhookEndpointListRequestObject,
) (OperationalWebhookEndpointListResponseObject, error) {
	page, err := readPage(core.NewEndpointPage, r.Params.Limit, r.Params.Iterator, r.Params.Order, OrderingDescending)
	if err != nil {
		return nil, err
	}
	list, err := h.service.OperationalWebhookEndpointList(ctx, scopeOf(ctx), page)
	if err != nil {
		return nil, err
	}
	key := func(e core.Endpoint) string { return string(e.ID) }
	data, next, previous := answerPage(list, key, operationalEndpointOut)
	return OperationalWebhookEndpointList200JSONResponse{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}, nil
}

func (h *handlers) OperationalWebhookEndpointCreate(
	ctx context.Context, r OperationalWebhookEndpointCreateRequestObject,
) (OperationalWebhookEndpointCreateResponseObject, error) {
	b := r.Body
	in, err := newEndpointIn(EndpointIn{
		URL: b.URL, Description: b.Description, UID: b.UID, ThrottleRate: b.ThrottleRate, RateLimit: b.RateLimit,
		Disabled: b.Disabled, EventTypes: b.EventTypes, FilterTypes: b.FilterTypes, Metadata: b.Metadata,
		Secret: b.Secret, Headers: b.Headers,
		Channels: nil, Fifo: nil, Version: nil, // these have none
	})
	if err != nil {
		return nil, err
	}
	e, err := h.service.OperationalWebhookEndpointCreate(ctx, scopeOf(ctx), in)
	return OperationalWebhookEndpointCreate201JSONResponse(operationalEndpointOut(e)), err
}

func (h *handlers) OperationalWebhookEndpointGet(
	ctx context.Context, r OperationalWebhookEndpointGetRequestObject,
) (OperationalWebhookEndpointGetResponseObject, error) {
	e, err := h.service.OperationalWebhookEndpointGet(ctx, scopeOf(ctx), r.EndpointID)
	return OperationalWebhookEndpointGet200JSONResponse(operationalEndpointOut(e)), err
}

func (h *handlers) OperationalWebhookEndpointUpdate(
	ctx context.Context, r OperationalWebhookEndpointUpdateRequestObject,
) (OperationalWebhookEndpointUpdateResponseObject, error) {
	b := r.Body
	in, err := endpointIn(EndpointUpdate{
		URL: b.URL, Description: b.Description, UID: b.UID, ThrottleRate: b.ThrottleRate, RateLimit: b.RateLimit,
		Disabled: b.Disabled, EventTypes: b.EventTypes, FilterTypes: b.FilterTypes, Metadata: b.Metadata,
		Channels: nil, Fifo: nil, Version: nil, // these have none
	})
	if err != nil {
		return nil, err
	}
	e, created, err := h.service.OperationalWebhookEndpointUpdate(ctx, scopeOf(ctx), r.EndpointID, in)
	if err != nil {
		return nil, err
	}
	if created {
		return OperationalWebhookEndpointUpdate201JSONResponse(operationalEndpointOut(e)), nil
	}
	return OperationalWebhookEndpointUpdate200JSONResponse(operationalEndpointOut(e)), nil
}

func (h *handlers) OperationalWebhookEndpointDelete(
	ctx context.Context, r OperationalWebhookEndpointDeleteRequestObject,
) (OperationalWebhookEndpointDeleteResponseObject, error) {
	err := h.service.OperationalWebhookEndpointDelete(ctx, scopeOf(ctx), r.EndpointID)
	return OperationalWebhookEndpointDelete204Response{}, err
}

func (h *handlers) OperationalWebhookEndpointHeadersGet(
	ctx context.Context, r OperationalWebhookEndpointHeadersGetRequestObject,
) (OperationalWebhookEndpointHeadersGetResponseObject, error) {
	shown, sensitive, err := h.service.OperationalWebhookEndpointHeadersGet(ctx, scopeOf(ctx), r.EndpointID)
	return OperationalWebhookEndpointHeadersGet200JSONResponse{Headers: shown, Sensitive: sensitive}, err
}

func (h *handlers) OperationalWebhookEndpointHeadersUpdate(
	ctx context.Context, r OperationalWebhookEndpointHeadersUpdateRequestObject,
) (OperationalWebhookEndpointHeadersUpdateResponseObject, error) {
	headers, err := headersIn(*r.Body)
	if err != nil {
		return nil, err
	}
	err = h.service.OperationalWebhookEndpointHeadersUpdate(ctx, scopeOf(ctx), r.EndpointID, headers)
	return OperationalWebhookEndpointHeadersUpdate204Response{}, asJSONError(err)
}

func (h *handlers) OperationalWebhookEndpointSecretGet(
	ctx context.Context, r OperationalWebhookEndpointSecretGetRequestObject,
) (OperationalWebhookEndpointSecretGetResponseObject, error) {
	secret, err := h.service.OperationalWebhookEndpointSecretGet(ctx, scopeOf(ctx), r.EndpointID)
	return OperationalWebhookEndpointSecretGet200JSONResponse{Key: secret.Text()}, err
}

func (h *handlers) OperationalWebhookEndpointSecretRotate(
	ctx context.Context, r OperationalWebhookEndpointSecretRotateRequestObject,
) (OperationalWebhookEndpointSecretRotateResponseObject, error) {
	in, err := secretRotateIn(r.Body)
	if err != nil {
		return nil, err
	}
	err = h.service.OperationalWebhookEndpointSecretRotate(ctx, scopeOf(ctx), r.EndpointID, in)
	return OperationalWebhookEndpointSecretRotate204Response{}, err
}

func operationalEndpointOut(e core.Endpoint) OperationalWebhookEndpointOut {
	return OperationalWebhookEndpointOut{
		ID: string(e.ID), UID: e.UID, URL: core.MaskURL(e.URL), Description: e.Description,
		ThrottleRate: rateOut(e.ThrottleRate), RateLimit: rateOut(e.ThrottleRate), Disabled: e.Disabled,
		EventTypes: e.EventTypes, FilterTypes: e.EventTypes, Metadata: texts(e.Metadata),
		CreatedAt: Timestamp(e.CreatedAt), UpdatedAt: Timestamp(e.UpdatedAt),
	}
}

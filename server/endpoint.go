package server

import (
	"context"

	"github.com/oapi-codegen/nullable"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) EndpointCreate(ctx context.Context, r EndpointCreateRequestObject) (EndpointCreateResponseObject, error) {
	in, err := newEndpointIn(*r.Body)
	if err != nil {
		return nil, err
	}
	e, err := h.service.EndpointCreate(ctx, scopeOf(ctx), r.AppID, in)
	return EndpointCreate201JSONResponse(endpointOut(e)), err
}

func (h *handlers) EndpointGet(ctx context.Context, r EndpointGetRequestObject) (EndpointGetResponseObject, error) {
	e, err := h.service.EndpointGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID)
	return EndpointGet200JSONResponse(endpointOut(e)), err
}

func (h *handlers) EndpointList(ctx context.Context, r EndpointListRequestObject) (EndpointListResponseObject, error) {
	page, err := readPage(core.NewEndpointPage, r.Params.Limit, r.Params.Iterator, r.Params.Order, OrderingDescending)
	if err != nil {
		return nil, err
	}
	list, err := h.service.EndpointList(ctx, scopeOf(ctx), r.AppID, page)
	if err != nil {
		return nil, err
	}
	key := func(e core.Endpoint) string { return string(e.ID) }
	data, next, previous := answerPage(list, key, endpointOut)
	return EndpointList200JSONResponse{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}, nil
}

func (h *handlers) EndpointUpdate(ctx context.Context, r EndpointUpdateRequestObject) (EndpointUpdateResponseObject, error) {
	in, err := endpointIn(*r.Body)
	if err != nil {
		return nil, err
	}
	e, created, err := h.service.EndpointUpdate(ctx, scopeOf(ctx), r.AppID, r.EndpointID, in)
	if err != nil {
		return nil, err
	}
	if created {
		return EndpointUpdate201JSONResponse(endpointOut(e)), nil
	}
	return EndpointUpdate200JSONResponse(endpointOut(e)), nil
}

func (h *handlers) EndpointPatch(ctx context.Context, r EndpointPatchRequestObject) (EndpointPatchResponseObject, error) {
	patch := *r.Body
	err := refuseNulls(
		patched{"url", patch.URL}, patched{"description", patch.Description},
		patched{"version", patch.Version}, patched{"disabled", patch.Disabled}, patched{"fifo", patch.Fifo},
	)
	if err != nil {
		return nil, err
	}
	if patch.EventTypes.IsSpecified() && patch.FilterTypes.IsSpecified() {
		return nil, wire.Twice("eventTypes", "filterTypes")
	}
	e, err := h.service.EndpointPatch(ctx, scopeOf(ctx), r.AppID, r.EndpointID, func(in *core.EndpointIn) {
		put(&in.URL, patch.URL)
		put(&in.Description, patch.Description)
		putOrClear(&in.UID, patch.UID)
		putRate(&in.ThrottleRate, patch.ThrottleRate, patch.RateLimit)
		putVersion(&in.Version, patch.Version)
		put(&in.Disabled, patch.Disabled)
		put(&in.FIFO, patch.Fifo)
		putSet(&in.EventTypes, patch.EventTypes)
		putSet(&in.EventTypes, patch.FilterTypes)
		putChannels(&in.Channels, patch.Channels)
		putMetadata(&in.Metadata, patch.Metadata)
	})
	return EndpointPatch200JSONResponse(endpointOut(e)), err
}

func (h *handlers) EndpointDelete(ctx context.Context, r EndpointDeleteRequestObject) (EndpointDeleteResponseObject, error) {
	return EndpointDelete204Response{}, h.service.EndpointDelete(ctx, scopeOf(ctx), r.AppID, r.EndpointID)
}

// newEndpointIn is endpointIn plus the fields that can be set only when an endpoint is created.
func newEndpointIn(b EndpointIn) (core.EndpointIn, error) {
	in, err := endpointIn(EndpointUpdate{
		URL: b.URL, Description: b.Description, UID: b.UID, ThrottleRate: b.ThrottleRate, RateLimit: b.RateLimit,
		Version: b.Version, Disabled: b.Disabled, EventTypes: b.EventTypes, FilterTypes: b.FilterTypes,
		Channels: b.Channels, Metadata: b.Metadata, Fifo: b.Fifo,
	})
	if err != nil {
		return in, err
	}
	in.Headers = core.Headers(b.Headers)
	if b.Secret != nil {
		in.Secret, err = core.ParseSecret(*b.Secret, "secret")
	}
	return in, err
}

func endpointIn(in EndpointUpdate) (core.EndpointIn, error) {
	if in.URL == nil {
		return core.EndpointIn{}, wire.Missing("url")
	}
	if in.EventTypes != nil && in.FilterTypes != nil {
		return core.EndpointIn{}, wire.Twice("eventTypes", "filterTypes")
	}
	return core.EndpointIn{
		UID: in.UID, URL: *in.URL, Description: orZero(in.Description), Version: int32(or(in.Version, 1)),
		ThrottleRate: rate(in.ThrottleRate, in.RateLimit), Disabled: orZero(in.Disabled),
		EventTypes: wire.Set(append(in.EventTypes, in.FilterTypes...)), Channels: wire.Channels(in.Channels),
		Metadata: core.Metadata(in.Metadata), FIFO: orZero(in.Fifo),
		Headers: nil, Secret: core.Secret{}, // set by newEndpointIn
	}, nil
}

func putVersion(field *int32, value nullable.Nullable[uint16]) {
	if v, err := value.Get(); err == nil {
		*field = int32(v)
	}
}

func putChannels(field *[]string, value nullable.Nullable[[]string]) {
	if value.IsSpecified() {
		items, _ := value.Get() // nil for null
		*field = wire.Channels(items)
	}
}

func endpointOut(e core.Endpoint) EndpointOut {
	return EndpointOut{
		ID: string(e.ID), UID: e.UID, URL: core.MaskURL(e.URL), Description: e.Description, Version: uint16(e.Version),
		ThrottleRate: rateOut(e.ThrottleRate), RateLimit: rateOut(e.ThrottleRate), Disabled: e.Disabled,
		EventTypes: e.EventTypes, FilterTypes: e.EventTypes, Channels: e.Channels, Metadata: texts(e.Metadata),
		CreatedAt: Timestamp(e.CreatedAt), UpdatedAt: Timestamp(e.UpdatedAt),
		Fifo: e.FIFO, Health: endpointHealth(e),
	}
}

func endpointHealth(e core.Endpoint) EndpointHealth {
	h := EndpointHealth{
		Status: EndpointHealthStatusOk, Failures: e.Failures,
		FailingSince: timestampOut(e.FailingSince), PausedUntil: timestampOut(e.PausedUntil),
		DisabledReason: (*EndpointHealthDisabledReason)(e.DisabledReason),
	}
	switch {
	case e.Disabled:
		h.Status = EndpointHealthStatusDisabled
	case e.PausedUntil != nil:
		h.Status = EndpointHealthStatusPaused
	case e.FailingSince != nil:
		h.Status = EndpointHealthStatusFailing
	}
	return h
}

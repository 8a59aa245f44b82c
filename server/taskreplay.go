package server

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) EndpointRecover(ctx context.Context, r EndpointRecoverRequestObject) (EndpointRecoverResponseObject, error) {
	in, err := periodIn(r.Body.Since, r.Body.Until)
	if err != nil {
		return nil, err
	}
	t, err := h.service.EndpointRecover(ctx, scopeOf(ctx), r.AppID, r.EndpointID, in)
	return EndpointRecover202JSONResponse(taskStarted(t)), err
}

func (h *handlers) EndpointReplayMissing(ctx context.Context, r EndpointReplayMissingRequestObject) (EndpointReplayMissingResponseObject, error) {
	in, err := periodIn(r.Body.Since, r.Body.Until)
	if err != nil {
		return nil, err
	}
	t, err := h.service.EndpointReplayMissing(ctx, scopeOf(ctx), r.AppID, r.EndpointID, in)
	return EndpointReplayMissing202JSONResponse(taskStarted(t)), err
}

func (h *handlers) EndpointBulkReplay(ctx context.Context, r EndpointBulkReplayRequestObject) (EndpointBulkReplayResponseObject, error) {
	in, err := replayIn(r.Body)
	if err != nil {
		return nil, err
	}
	t, err := h.service.EndpointBulkReplay(ctx, scopeOf(ctx), r.AppID, r.EndpointID, in)
	return EndpointBulkReplay202JSONResponse(taskStarted(t)), err
}

func replayIn(b *BulkReplayIn) (in core.ReplayIn, err error) {
	if in.PeriodIn, err = periodIn(b.Since, b.Until); err != nil {
		return in, err
	}
	in.EventTypes, in.Channel, in.Tag = wire.Set(b.EventTypes), orZero(b.Channel), orZero(b.Tag)
	if b.Status != nil {
		if !b.Status.Valid() {
			return in, core.Invalid("status must be one of [0 1 2 3]", "body", "status")
		}
		in.Status = new(core.AttemptStatus(*b.Status))
	}
	if b.StatusCodeClass != nil {
		if !b.StatusCodeClass.Valid() {
			return in, core.Invalid("statusCodeClass must be one of [0 100 200 300 400 500]", "body", "statusCodeClass")
		}
		in.CodeFrom = int16(*b.StatusCodeClass)
		in.CodeTo = in.CodeFrom + 99
	}
	return in, nil
}

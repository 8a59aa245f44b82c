package server

import (
	"context"

	"github.com/postrider/postrider/wire"
)

func (h *handlers) EndpointStatsGet(ctx context.Context, r EndpointStatsGetRequestObject) (EndpointStatsGetResponseObject, error) {
	since, err := wire.ReadTime(r.Params.Since, "query", "since")
	if err != nil {
		return nil, err
	}
	until, err := wire.ReadTime(r.Params.Until, "query", "until")
	if err != nil {
		return nil, err
	}
	s, err := h.service.EndpointStatsGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID, since, until)
	return EndpointStatsGet200JSONResponse{Success: s.Succeeded, Fail: s.Failed, Canceled: 0, Pending: s.Pending, Sending: s.Sending}, err
}

func (h *handlers) EndpointAttemptStatsGet(ctx context.Context, r EndpointAttemptStatsGetRequestObject) (EndpointAttemptStatsGetResponseObject, error) {
	since, err := wire.ReadTime(r.Params.Since, "query", "since")
	if err != nil {
		return nil, err
	}
	until, err := wire.ReadTime(r.Params.Until, "query", "until")
	if err != nil {
		return nil, err
	}
	s, err := h.service.EndpointAttemptStatsGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID, since, until)
	return EndpointAttemptStatsGet200JSONResponse{Success: s.Succeeded, Fail: s.Failed, Canceled: 0}, err
}

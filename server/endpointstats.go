package server

import (
	"context"
	"time"

	"github.com/postrider/postrider/wire"
)

func (h *handlers) EndpointStatsGet(ctx context.Context, r EndpointStatsGetRequestObject) (EndpointStatsGetResponseObject, error) {
	since, until, err := readPeriod(r.Params.Since, r.Params.Until)
	if err != nil {
		return nil, err
	}
	s, err := h.service.EndpointStatsGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID, since, until)
	return EndpointStatsGet200JSONResponse{Success: s.Succeeded, Fail: s.Failed, Canceled: 0, Pending: s.Pending, Sending: s.Sending}, err
}

func (h *handlers) EndpointAttemptStatsGet(ctx context.Context, r EndpointAttemptStatsGetRequestObject) (EndpointAttemptStatsGetResponseObject, error) {
	since, until, err := readPeriod(r.Params.Since, r.Params.Until)
	if err != nil {
		return nil, err
	}
	s, err := h.service.EndpointAttemptStatsGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID, since, until)
	return EndpointAttemptStatsGet200JSONResponse{Success: s.Succeeded, Fail: s.Failed, Canceled: 0}, err
}

// readPeriod reads the query parameters since and until; each is nil if it is not given.
func readPeriod(since, until *string) (from, to *time.Time, err error) {
	if from, err = wire.ReadTime(since, "query", "since"); err != nil {
		return nil, nil, err
	}
	to, err = wire.ReadTime(until, "query", "until")
	return from, to, err
}

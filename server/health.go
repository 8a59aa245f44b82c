package server

import (
	"context"
	"log/slog"
)

func (h *handlers) HealthGet(ctx context.Context, _ HealthGetRequestObject) (HealthGetResponseObject, error) {
	if err := h.service.HealthGet(ctx); err != nil {
		h.log.LogAttrs(ctx, slog.LevelWarn, "health check failed",
			slog.String("request_id", callOf(ctx).id), slog.Any("error", err))
		return HealthGet500JSONResponse(healthOut(HealthCheckStatusError)), nil
	}
	return HealthGet200JSONResponse(healthOut(HealthCheckStatusOk)), nil
}

// healthOut reports the same status for all three components, because all three are the database.
func healthOut(status HealthCheckStatus) HealthOut {
	check := HealthCheck{Status: status}
	return HealthOut{Database: check, Queue: check, Cache: check}
}

func (h *handlers) HealthPing(context.Context, HealthPingRequestObject) (HealthPingResponseObject, error) {
	return HealthPing204Response{}, nil
}

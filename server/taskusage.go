package server

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) StatsUsageApp(ctx context.Context, r StatsUsageAppRequestObject) (StatsUsageAppResponseObject, error) {
	if r.Body.Until == nil {
		return nil, wire.Missing("until")
	}
	period, err := periodIn(r.Body.Since, r.Body.Until)
	if err != nil {
		return nil, err
	}
	in := core.UsageIn{Since: period.Since, Until: *period.Until, AppRefs: wire.Set(r.Body.AppIds)}
	t, unresolved, err := h.service.StatsUsageApp(ctx, scopeOf(ctx), in)
	if unresolved == nil {
		unresolved = []string{} // clients want a list, not null
	}
	return StatsUsageApp202JSONResponse{
		ID: string(t.ID), Status: BackgroundTaskStatus(t.Status), Task: BackgroundTaskType(t.Task),
		UpdatedAt: Timestamp(t.UpdatedAt), UnresolvedAppIds: unresolved,
	}, err
}

func (h *handlers) StatsUsageEventTypes(ctx context.Context, _ StatsUsageEventTypesRequestObject) (StatsUsageEventTypesResponseObject, error) {
	t, err := h.service.StatsUsageEventTypes(ctx, scopeOf(ctx))
	return StatsUsageEventTypes202JSONResponse(taskStarted(t)), err
}

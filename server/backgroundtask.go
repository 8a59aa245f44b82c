package server

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

// taskData is what came of a task, which core names as the API does.
type taskData core.TaskData

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

func (h *handlers) MessageExpungeAll(ctx context.Context, r MessageExpungeAllRequestObject) (MessageExpungeAllResponseObject, error) {
	t, err := h.service.MessageExpungeAll(ctx, scopeOf(ctx), r.AppID)
	return MessageExpungeAll202JSONResponse(taskStarted(t)), err
}

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

func (h *handlers) BackgroundTaskGet(ctx context.Context, r BackgroundTaskGetRequestObject) (BackgroundTaskGetResponseObject, error) {
	t, err := h.service.BackgroundTaskGet(ctx, scopeOf(ctx), core.TaskID(r.TaskID))
	return BackgroundTaskGet200JSONResponse(taskOut(t)), err
}

func (h *handlers) BackgroundTaskList(ctx context.Context, r BackgroundTaskListRequestObject) (BackgroundTaskListResponseObject, error) {
	p := r.Params
	status, kind := orZero(p.Status), orZero(p.Task)
	if p.Status != nil && !status.Valid() {
		return nil, notOneOf("status", core.TaskRunning, core.TaskFinished, core.TaskFailed)
	}
	if p.Task != nil && !kind.Valid() {
		return nil, notOneOf("task", core.TaskRecover, core.TaskReplayMissing, core.TaskBulkReplay, core.TaskPurge,
			core.TaskUsageApp, core.TaskUsageEventTypes, BackgroundTaskTypeMessageBroadcast, BackgroundTaskTypeSdkGenerate)
	}
	page, err := readPage(core.NewBackgroundTaskPage, p.Limit, p.Iterator, p.Order, OrderingDescending)
	if err != nil {
		return nil, err
	}
	filter := core.BackgroundTaskFilter{Status: core.TaskStatus(status), Task: core.TaskKind(kind)}
	list, err := h.service.BackgroundTaskList(ctx, scopeOf(ctx), filter, page)
	if err != nil {
		return nil, err
	}
	out := BackgroundTaskList200JSONResponse{Done: list.Done}
	out.Data, out.Iterator, out.PrevIterator = answerPage(list, func(t core.BackgroundTask) string { return string(t.ID) }, taskOut)
	return out, nil
}

func taskStarted(t core.BackgroundTask) BackgroundTaskStarted {
	return BackgroundTaskStarted{
		ID: string(t.ID), Status: BackgroundTaskStatus(t.Status), Task: BackgroundTaskType(t.Task), UpdatedAt: Timestamp(t.UpdatedAt),
	}
}

func taskOut(t core.BackgroundTask) BackgroundTaskOut {
	return BackgroundTaskOut{
		ID: string(t.ID), Status: BackgroundTaskStatus(t.Status), Task: BackgroundTaskType(t.Task), UpdatedAt: Timestamp(t.UpdatedAt),
		Data: taskData(t.Progress()),
	}
}

// periodIn reads the period of a body.
func periodIn(since, until *string) (in core.PeriodIn, err error) {
	from, err := wire.BodyTime(since, "since")
	if err != nil {
		return in, err
	}
	if from == nil {
		return in, wire.Missing("since")
	}
	in.Since = *from
	in.Until, err = wire.BodyTime(until, "until")
	return in, err
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

package server

import (
	"context"

	"github.com/postrider/postrider/core"
)

// taskData is the result of a task. Core uses the same field names as the API.
type taskData core.TaskData

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
	data, next, previous := answerPage(list, func(t core.BackgroundTask) string { return string(t.ID) }, taskOut)
	return BackgroundTaskList200JSONResponse{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}, nil
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

package server

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) MessageExpunge(ctx context.Context, r MessageExpungeRequestObject) (MessageExpungeResponseObject, error) {
	return MessageExpunge204Response{}, h.service.MessageExpunge(ctx, scopeOf(ctx), r.AppID, r.MsgID)
}

func (h *handlers) MessageExpungeMany(ctx context.Context, r MessageExpungeManyRequestObject) (MessageExpungeManyResponseObject, error) {
	ids := r.Body.Ids
	if ids == nil {
		return nil, wire.Missing("ids")
	}
	found, err := h.service.MessageExpungeMany(ctx, scopeOf(ctx), r.AppID, ids)
	if err != nil {
		return nil, err
	}
	results := make(map[string]BulkExpungeContentsOutResults, len(ids))
	for _, id := range ids {
		results[id] = BulkExpungeContentsOutResultsNotFound
		if found[id] {
			results[id] = BulkExpungeContentsOutResultsExpunged
		}
	}
	return MessageExpungeMany200JSONResponse{Results: results}, nil
}

func (h *handlers) MessageExpungeAll(ctx context.Context, r MessageExpungeAllRequestObject) (MessageExpungeAllResponseObject, error) {
	t, err := h.service.MessageExpungeAll(ctx, scopeOf(ctx), r.AppID)
	return MessageExpungeAll202JSONResponse(taskStarted(t)), err
}

func (h *handlers) AttemptExpunge(ctx context.Context, r AttemptExpungeRequestObject) (AttemptExpungeResponseObject, error) {
	err := h.service.AttemptExpunge(ctx, scopeOf(ctx), r.AppID, r.MsgID, core.AttemptID(r.AttemptID))
	return AttemptExpunge204Response{}, err
}

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) MessageCreateMany(ctx context.Context, r MessageCreateManyRequestObject) (MessageCreateManyResponseObject, error) {
	if r.Body.Messages == nil {
		return nil, wire.Missing("messages")
	}
	key, err := boundedKey(orZero(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	ins := make([]core.BatchIn, min(len(r.Body.Messages), core.BatchMost+1)) // core rejects the one over the limit
	trace := traceParent(ctx)
	for i := range ins {
		ins[i].MessageIn, ins[i].Err = decodeMessage(r.Body.Messages[i])
		ins[i].TraceParent = trace
	}
	stored, err := h.service.MessageCreateMany(ctx, scopeOf(ctx), r.AppID, ins, key)
	if err != nil {
		return nil, err
	}
	if err := noneStored(stored); err != nil {
		return nil, err
	}
	out := MessageBatchOut{Data: make([]MessageBatchItem, len(stored))}
	var payloads []*json.RawMessage
	for i, s := range stored {
		item := &out.Data[i]
		if s.Err != nil {
			*item = h.refused(ctx, i, r.Body.Messages[i], s.Err)
			continue
		}
		item.Status, item.Message = http.StatusAccepted, new(messageOut(s.Message, or(r.Params.WithContent, true)))
		payloads = append(payloads, &item.Message.Payload)
	}
	return answerMessages(http.StatusAccepted, out, payloads), nil
}

// noneStored returns the error if the service was unavailable and stored no message of a batch. The whole batch must
// then be sent again; a client that checks only the status would otherwise take it as accepted.
func noneStored(stored []core.Stored) (unavailable error) {
	for _, s := range stored {
		switch {
		case s.Err == nil:
			return nil
		case core.IsKind(s.Err, core.KindUnavailable):
			unavailable = s.Err
		}
	}
	return unavailable
}

// decodeMessage decodes one message of a batch. Its application is the one in the path, and is not created.
func decodeMessage(text json.RawMessage) (core.MessageIn, error) {
	var in MessageIn
	if len(text) == 0 || text[0] != '{' {
		return core.MessageIn{}, wire.Unreadable("A message must be an object.")
	}
	if err := wire.ReadError(ijson.Unmarshal(text, &in)); err != nil {
		return core.MessageIn{}, err
	}
	return in.In()
}

// refused returns the answer for a message of a batch that was not stored.
func (h *handlers) refused(ctx context.Context, place int, text json.RawMessage, err error) MessageBatchItem {
	e := *clientError(err)
	e.Fields = asSent(e.Fields, text)
	for i, f := range e.Fields {
		e.Fields[i].Loc = slices.Insert(slices.Clone(f.Loc), 1, fmt.Sprintf("messages[%d]", place))
	}
	status, body := errorAnswer(&e, callOf(ctx).id)
	if status >= http.StatusInternalServerError {
		logFailure(ctx, h.log, "POST /api/v1/app/{app_id}/msg/batch", &e)
	}
	return MessageBatchItem{Status: status, Error: body}
}

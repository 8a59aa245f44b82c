package server

import (
	"context"
	"net/http"

	"github.com/postrider/postrider/wire"
)

func (h *handlers) MessageSendExample(ctx context.Context, r MessageSendExampleRequestObject) (MessageSendExampleResponseObject, error) {
	if r.Body.EventType == nil {
		return nil, wire.Missing("eventType")
	}
	index := max(0, min(orZero(r.Body.ExampleIndex), 1000))
	m, err := h.service.MessageSendExample(ctx, scopeOf(ctx), r.AppID, r.EndpointID, *r.Body.EventType, int(index))
	if err != nil {
		return nil, err
	}
	return answerMessage(http.StatusOK, messageOut(m, true)), nil
}

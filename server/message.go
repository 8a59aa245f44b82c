package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) MessageCreate(ctx context.Context, r MessageCreateRequestObject) (MessageCreateResponseObject, error) {
	in, err := messageIn(r.Body)
	if err != nil {
		return nil, err
	}
	if in.IdempotencyKey, err = boundedKey(orZero(r.Params.IdempotencyKey)); err != nil {
		return nil, err
	}
	in.TraceParent = traceParent(ctx)
	m, err := h.service.MessageCreate(ctx, scopeOf(ctx), r.AppID, in)
	if err != nil {
		return nil, err
	}
	traceMessage(ctx, m)
	out := answerMessage(http.StatusAccepted, messageOut(m, or(r.Params.WithContent, true)))
	out.valid = !in.Raw && m.Payload != nil && *m.Payload == string(in.Payload) // it was decoded just before
	return out, nil
}

// messageIn reads a message from a request body.
func messageIn(body *MessageIn) (core.MessageIn, error) {
	in, err := body.In()
	if err != nil || body.Application == nil {
		return in, err
	}
	app, err := applicationIn(*body.Application, []string{"application"})
	in.Application = &app
	return in, err
}

func (h *handlers) MessageGet(ctx context.Context, r MessageGetRequestObject) (MessageGetResponseObject, error) {
	get, withContent := h.service.MessageGet, or(r.Params.WithContent, true)
	if !withContent {
		get = h.service.MessageGetBare
	}
	m, err := get(ctx, scopeOf(ctx), r.AppID, r.MsgID)
	if err != nil {
		return nil, err
	}
	return answerMessage(http.StatusOK, messageOut(m, withContent)), nil
}

func (h *handlers) MessageList(ctx context.Context, r MessageListRequestObject) (MessageListResponseObject, error) {
	p := r.Params
	timed, err := readTimedPage(p.Limit, p.Iterator, p.Before, p.After)
	if err != nil {
		return nil, err
	}
	page, err := core.NewMessagePage(timed, h.service.Now())
	if err != nil {
		return nil, err
	}
	page.Bare = !or(p.WithContent, true)
	filter := core.MessageFilter{Channel: orZero(p.Channel), Tag: orZero(p.Tag), EventTypes: p.EventTypes}
	list, err := h.service.MessageList(ctx, scopeOf(ctx), r.AppID, filter, page)
	if err != nil {
		return nil, err
	}
	data, next, previous := answerPage(list,
		func(m core.Message) string { return string(m.ID) },
		func(m core.Message) MessageOut { return messageOut(m, or(p.WithContent, true)) })
	return answerMessageList(ListResponseMessageOut{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}), nil
}

func (h *handlers) MessagePrecheck(ctx context.Context, r MessagePrecheckRequestObject) (MessagePrecheckResponseObject, error) {
	if r.Body.EventType == nil {
		return nil, wire.Missing("eventType")
	}
	active, err := h.service.MessagePrecheck(ctx, scopeOf(ctx), r.AppID, *r.Body.EventType, wire.Channels(r.Body.Channels))
	return MessagePrecheck200JSONResponse{Active: active}, err
}

func messageOut(m core.Message, withContent bool) MessageOut {
	var payload json.RawMessage
	switch {
	case !withContent:
		payload = json.RawMessage(`{}`)
	case m.Payload != nil:
		payload = json.RawMessage(*m.Payload)
	}
	return MessageOut{
		ID: string(m.ID), EventID: m.EventID, EventType: m.EventType, Payload: payload, Channels: m.Channels, Tags: m.Tags,
		Timestamp: Timestamp(m.CreatedAt), DeliverAt: timestampOut(m.DeliverAt),
	}
}

package server

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/postrider/postrider/core"
)

// idempotencyKeyBytesMax is far above what clients make: "auto_" and a UUID.
const idempotencyKeyBytesMax = 1024

func (h *handlers) MessageCreate(ctx context.Context, r MessageCreateRequestObject) (MessageCreateResponseObject, error) {
	in, err := messageIn(r.Body)
	if err != nil {
		return nil, err
	}
	in.IdempotencyKey = orZero(r.Params.IdempotencyKey)
	if len(in.IdempotencyKey) > idempotencyKeyBytesMax {
		return nil, core.Invalid("The key must not exceed 1024 bytes", "header", "idempotency-key")
	}
	m, err := h.service.MessageCreate(ctx, scopeOf(ctx), r.AppID, in)
	if err != nil {
		return nil, err
	}
	out := answerMessage(http.StatusAccepted, messageOut(m, or(r.Params.WithContent, true)))
	out.valid = m.Payload != nil && *m.Payload == string(in.Payload) // then it was decoded a moment ago
	return out, nil
}

func (h *handlers) MessageGet(ctx context.Context, r MessageGetRequestObject) (MessageGetResponseObject, error) {
	m, err := h.service.MessageGet(ctx, scopeOf(ctx), r.AppID, r.MsgID)
	if err != nil {
		return nil, err
	}
	return answerMessage(http.StatusOK, messageOut(m, or(r.Params.WithContent, true))), nil
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
	filter := core.MessageFilter{Channel: orZero(p.Channel), Tag: orZero(p.Tag), EventTypes: p.EventTypes}
	list, err := h.service.MessageList(ctx, scopeOf(ctx), r.AppID, filter, page)
	if err != nil {
		return nil, err
	}
	out := ListResponseMessageOut{Done: list.Done}
	out.Data, out.Iterator, out.PrevIterator = answerPage(list,
		func(m core.Message) string { return string(m.ID) },
		func(m core.Message) MessageOut { return messageOut(m, or(p.WithContent, true)) })
	return answerMessageList(out), nil
}

func messageIn(in *MessageIn) (core.MessageIn, error) {
	payload := in.Payload
	switch {
	case in.EventType == nil:
		return core.MessageIn{}, missing("eventType")
	case in.Payload != nil && in.Data != nil:
		return core.MessageIn{}, twice("payload", "data")
	case in.Payload == nil && in.Data == nil:
		return core.MessageIn{}, missing("payload")
	case in.Payload == nil:
		payload = in.Data
	}
	out := core.MessageIn{
		EventType: *in.EventType, EventID: in.EventID, Channels: channels(in.Channels), Tags: set(in.Tags),
		Payload: payload, Retention: duration(in.PayloadRetentionPeriod, 24*time.Hour),
	}
	if in.Application != nil {
		app, err := applicationIn(*in.Application, []string{"application"})
		if err != nil {
			return core.MessageIn{}, err
		}
		out.Application = &app
	}
	return out, nil
}

// duration is that many units, and where they are more than a Duration can hold, a number out of
// every range.
func duration(n *int64, unit time.Duration) *time.Duration {
	if n == nil {
		return nil
	}
	if *n < 0 || *n > int64(math.MaxInt64/unit) {
		return new(time.Duration(-1))
	}
	return new(time.Duration(*n) * unit)
}

func messageOut(m core.Message, withContent bool) MessageOut {
	out := MessageOut{
		ID: string(m.ID), EventID: m.EventID, EventType: m.EventType, Channels: m.Channels, Tags: m.Tags,
		Timestamp: Timestamp(m.CreatedAt),
	}
	switch {
	case !withContent:
		out.Payload = json.RawMessage(`{}`)
	case m.Payload != nil:
		out.Payload = json.RawMessage(*m.Payload)
	}
	return out
}

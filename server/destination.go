package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/postrider/postrider/core"
)

func (h *handlers) AttemptedMessageList(ctx context.Context, r AttemptedMessageListRequestObject) (AttemptedMessageListResponseObject, error) {
	p := r.Params
	filter := core.AttemptedMessageFilter{
		MessageFilter: core.MessageFilter{Channel: orZero(p.Channel), Tag: orZero(p.Tag), EventTypes: p.EventTypes},
	}
	var err error
	if filter.Status, err = readStatus(p.Status); err != nil {
		return nil, err
	}
	timed, err := readTimedPage(p.Limit, p.Iterator, p.Before, p.After)
	if err != nil {
		return nil, err
	}
	page, err := core.NewMessagePage(timed, h.service.Now())
	if err != nil {
		return nil, err
	}
	page.Bare = !or(p.WithContent, true)
	list, err := h.service.AttemptedMessageList(ctx, scopeOf(ctx), r.AppID, r.EndpointID, filter, page)
	if err != nil {
		return nil, err
	}
	return attemptedMessageListOut(list, or(p.WithContent, true)), nil
}

func attemptedMessageListOut(list core.List[core.AttemptedMessage], withContent bool) messageAnswer {
	data, next, previous := answerPage(list,
		func(m core.AttemptedMessage) string { return string(m.Message.ID) },
		func(m core.AttemptedMessage) EndpointMessageOut { return endpointMessageOut(m, withContent) })
	out := ListResponseEndpointMessageOut{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}
	payloads := make([]*json.RawMessage, len(out.Data))
	for i := range out.Data {
		payloads[i] = &out.Data[i].Payload
	}
	return answerMessages(http.StatusOK, out, payloads)
}

func endpointMessageOut(m core.AttemptedMessage, withContent bool) EndpointMessageOut {
	out := messageOut(m.Message, withContent)
	return EndpointMessageOut{
		ID: out.ID, EventID: out.EventID, EventType: out.EventType, Payload: out.Payload, Channels: out.Channels,
		Tags: out.Tags, Timestamp: out.Timestamp, DeliverAt: out.DeliverAt,
		Status: MessageStatus(m.Status), StatusText: statusTexts[m.Status], NextAttempt: timestampOut(m.NextAt),
	}
}

func (h *handlers) DestinationList(ctx context.Context, r DestinationListRequestObject) (DestinationListResponseObject, error) {
	page, err := readPage(core.NewEndpointPage, r.Params.Limit, r.Params.Iterator, nil, OrderingAscending)
	if err != nil {
		return nil, err
	}
	list, err := h.service.DestinationList(ctx, scopeOf(ctx), r.AppID, r.MsgID, page)
	if err != nil {
		return nil, err
	}
	data, next, previous := answerPage(list,
		func(d core.Destination) string { return string(d.Endpoint.ID) }, messageEndpointOut)
	return DestinationList200JSONResponse{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}, nil
}

func messageEndpointOut(d core.Destination) MessageEndpointOut {
	e := endpointOut(d.Endpoint)
	return MessageEndpointOut{
		ID: e.ID, UID: e.UID, URL: e.URL, Description: e.Description, Version: e.Version, ThrottleRate: e.ThrottleRate,
		RateLimit: e.RateLimit, Disabled: e.Disabled, EventTypes: e.EventTypes, FilterTypes: e.FilterTypes,
		Channels: e.Channels, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
		Status: MessageStatus(d.Status), StatusText: statusTexts[d.Status], NextAttempt: timestampOut(d.NextAt),
	}
}

package server

import (
	"context"

	"github.com/postrider/postrider/core"
)

func (h *handlers) AttemptListByEndpoint(ctx context.Context, r AttemptListByEndpointRequestObject) (AttemptListByEndpointResponseObject, error) {
	filter, page, err := h.attemptQuery(r.Params)
	if err != nil {
		return nil, err
	}
	page.Bare = !or(r.Params.WithContent, true)
	list, err := h.service.AttemptListByEndpoint(ctx, scopeOf(ctx), r.AppID, r.EndpointID, filter, orZero(r.Params.WithMsg), page)
	if err != nil {
		return nil, err
	}
	return AttemptListByEndpoint200JSONResponse(attemptListOut(list, r.Params.WithContent)), nil
}

func (h *handlers) AttemptListByMessage(ctx context.Context, r AttemptListByMessageRequestObject) (AttemptListByMessageResponseObject, error) {
	out, err := h.attemptListByMessage(ctx, r.AppID, r.MsgID, r.Params)
	return AttemptListByMessage200JSONResponse(out), err
}

func (h *handlers) AttemptListByMessageDeprecated(ctx context.Context, r AttemptListByMessageDeprecatedRequestObject) (AttemptListByMessageDeprecatedResponseObject, error) {
	out, err := h.attemptListByMessage(ctx, r.AppID, r.MsgID, AttemptListByMessageParams(r.Params))
	return AttemptListByMessageDeprecated200JSONResponse(out), err
}

func (h *handlers) AttemptListByDestinationDeprecated(ctx context.Context, r AttemptListByDestinationDeprecatedRequestObject) (AttemptListByDestinationDeprecatedResponseObject, error) {
	p := r.Params
	out, err := h.attemptListByMessage(ctx, r.AppID, r.MsgID, AttemptListByMessageParams{
		Limit: p.Limit, Iterator: p.Iterator, Status: p.Status, StatusCodeClass: p.StatusCodeClass, Channel: p.Channel,
		Tag: p.Tag, EndpointID: &r.EndpointID, Before: p.Before, After: p.After, WithContent: p.WithContent,
		WithMsg: p.WithMsg, EventTypes: p.EventTypes,
	})
	return AttemptListByDestinationDeprecated200JSONResponse(out), err
}

func (h *handlers) attemptListByMessage(ctx context.Context, appRef, ref string, p AttemptListByMessageParams) (ListResponseMessageAttemptOut, error) {
	filter, page, err := h.attemptQuery(AttemptListByEndpointParams{
		Limit: p.Limit, Iterator: p.Iterator, Status: p.Status, StatusCodeClass: p.StatusCodeClass,
		Channel: p.Channel, Tag: p.Tag, Before: p.Before, After: p.After, EventTypes: p.EventTypes,
		WithContent: p.WithContent, WithMsg: p.WithMsg,
	})
	if err != nil {
		return ListResponseMessageAttemptOut{}, err
	}
	page.Bare = !or(p.WithContent, true)
	list, err := h.service.AttemptListByMessage(ctx, scopeOf(ctx), appRef, ref, orZero(p.EndpointID), filter, orZero(p.WithMsg), page)
	return attemptListOut(list, p.WithContent), err
}

func (h *handlers) AttemptGet(ctx context.Context, r AttemptGetRequestObject) (AttemptGetResponseObject, error) {
	a, err := h.service.AttemptGet(ctx, scopeOf(ctx), r.AppID, r.MsgID, core.AttemptID(r.AttemptID))
	return AttemptGet200JSONResponse(attemptOut(a)), err
}

// attemptQuery reads the query parameters that the lists of attempts share.
func (h *handlers) attemptQuery(p AttemptListByEndpointParams) (core.AttemptFilter, core.Page, error) {
	filter := core.AttemptFilter{MessageFilter: core.MessageFilter{
		Channel: orZero(p.Channel), Tag: orZero(p.Tag), EventTypes: p.EventTypes,
	}}
	var err error
	if filter.Status, err = readStatus(p.Status); err != nil {
		return filter, core.Page{}, err
	}
	if p.StatusCodeClass != nil {
		if !p.StatusCodeClass.Valid() {
			return filter, core.Page{}, notOneOf("status_code_class", 0, 100, 200, 300, 400, 500)
		}
		filter.CodeFrom = int16(*p.StatusCodeClass)
		filter.CodeTo = filter.CodeFrom + 99
	}
	timed, err := readTimedPage(p.Limit, p.Iterator, p.Before, p.After)
	if err != nil {
		return filter, core.Page{}, err
	}
	page, err := core.NewAttemptPage(timed, h.service.Now())
	return filter, page, err
}

func readStatus(status *MessageStatusFilter) (*core.AttemptStatus, error) {
	if status == nil {
		return nil, nil
	}
	if !status.Valid() {
		return nil, notOneOf("status", 0, 1, 2, 3, 4)
	}
	return new(core.AttemptStatus(*status)), nil
}

func attemptListOut(list core.List[core.AttemptOfMessage], withContent *bool) ListResponseMessageAttemptOut {
	data, next, previous := answerPage(list,
		func(a core.AttemptOfMessage) string { return string(a.ID) },
		func(a core.AttemptOfMessage) MessageAttemptOut {
			if !or(withContent, true) {
				a.Response = "{}"
			}
			out := attemptOut(a.Attempt)
			if a.Message != nil {
				out.Msg = new(messageOut(*a.Message, false))
			}
			return out
		})
	return ListResponseMessageAttemptOut{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}
}

var statusTexts = map[core.AttemptStatus]MessageStatusText{
	core.StatusSuccess: MessageStatusTextSuccess,
	core.StatusPending: MessageStatusTextPending,
	core.StatusFail:    MessageStatusTextFail,
	core.StatusSending: MessageStatusTextSending,
}

func attemptOut(a core.Attempt) MessageAttemptOut {
	return MessageAttemptOut{
		ID: string(a.ID), MsgID: string(a.MessageID), EndpointID: string(a.EndpointID), URL: core.MaskURL(a.URL),
		Status: MessageStatus(a.Status), StatusText: statusTexts[a.Status],
		ResponseStatusCode: a.ResponseStatusCode, Response: a.Response, ResponseDurationMs: a.DurationMS,
		TriggerType: MessageAttemptTriggerType(a.Trigger), Timestamp: Timestamp(a.CreatedAt),
		Msg: nil, // attemptListOut
	}
}

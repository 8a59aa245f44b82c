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
	list, err := h.service.AttemptListByEndpoint(ctx, scopeOf(ctx), r.AppID, r.EndpointID, filter, false, page)
	if err != nil {
		return nil, err
	}
	return AttemptListByEndpoint200JSONResponse(attemptListOut(list, r.Params.WithContent)), nil
}

func (h *handlers) AttemptListByMessage(ctx context.Context, r AttemptListByMessageRequestObject) (AttemptListByMessageResponseObject, error) {
	p := r.Params
	filter, page, err := h.attemptQuery(AttemptListByEndpointParams{
		Limit: p.Limit, Iterator: p.Iterator, Status: p.Status, StatusCodeClass: p.StatusCodeClass,
		Channel: p.Channel, Before: p.Before, After: p.After, EventTypes: p.EventTypes,
	})
	if err != nil {
		return nil, err
	}
	list, err := h.service.AttemptListByMessage(ctx, scopeOf(ctx), r.AppID, r.MsgID, orZero(p.EndpointID), filter, false, page)
	if err != nil {
		return nil, err
	}
	return AttemptListByMessage200JSONResponse(attemptListOut(list, p.WithContent)), nil
}

func (h *handlers) AttemptGet(ctx context.Context, r AttemptGetRequestObject) (AttemptGetResponseObject, error) {
	a, err := h.service.AttemptGet(ctx, scopeOf(ctx), r.AppID, r.MsgID, core.AttemptID(r.AttemptID))
	return AttemptGet200JSONResponse(attemptOut(a)), err
}

// attemptQuery reads the query parameters that the lists of attempts share.
func (h *handlers) attemptQuery(p AttemptListByEndpointParams) (core.AttemptFilter, core.Page, error) {
	filter := core.AttemptFilter{MessageFilter: core.MessageFilter{Channel: orZero(p.Channel), EventTypes: p.EventTypes}}
	if p.Status != nil {
		if !p.Status.Valid() {
			return filter, core.Page{}, notOneOf("status", 0, 1, 2, 3)
		}
		filter.Status = new(core.AttemptStatus(*p.Status))
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

func attemptListOut(list core.List[core.AttemptOfMessage], withContent *bool) ListResponseMessageAttemptOut {
	out := ListResponseMessageAttemptOut{Done: list.Done}
	out.Data, out.Iterator, out.PrevIterator = answerPage(list,
		func(a core.AttemptOfMessage) string { return string(a.ID) },
		func(a core.AttemptOfMessage) MessageAttemptOut {
			if !or(withContent, true) {
				a.Response = "{}"
			}
			return attemptOut(a.Attempt)
		})
	return out
}

var statusTexts = map[core.AttemptStatus]MessageStatusText{
	core.StatusSuccess: MessageStatusTextSuccess,
	core.StatusPending: MessageStatusTextPending,
	core.StatusFail:    MessageStatusTextFail,
	core.StatusSending: MessageStatusTextSending,
}

func attemptOut(a core.Attempt) MessageAttemptOut {
	return MessageAttemptOut{
		ID: string(a.ID), MsgID: string(a.MessageID), EndpointID: string(a.EndpointID), URL: a.URL,
		Status: MessageStatus(a.Status), StatusText: statusTexts[a.Status],
		ResponseStatusCode: a.ResponseStatusCode, Response: a.Response, ResponseDurationMs: a.DurationMS,
		TriggerType: MessageAttemptTriggerType(a.Trigger), Timestamp: Timestamp(a.CreatedAt),
	}
}

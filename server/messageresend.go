package server

import (
	"context"
)

func (h *handlers) MessageResend(ctx context.Context, r MessageResendRequestObject) (MessageResendResponseObject, error) {
	err := h.service.MessageResend(ctx, scopeOf(ctx), r.AppID, r.MsgID, r.EndpointID)
	return MessageResend202JSONResponse{}, err
}

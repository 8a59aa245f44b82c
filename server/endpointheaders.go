package server

import (
	"context"
	"errors"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) EndpointHeadersGet(ctx context.Context, r EndpointHeadersGetRequestObject) (EndpointHeadersGetResponseObject, error) {
	shown, sensitive, err := h.service.EndpointHeadersGet(ctx, scopeOf(ctx), r.AppID, r.EndpointID)
	return EndpointHeadersGet200JSONResponse{Headers: shown, Sensitive: sensitive}, err
}

func (h *handlers) EndpointHeadersUpdate(ctx context.Context, r EndpointHeadersUpdateRequestObject) (EndpointHeadersUpdateResponseObject, error) {
	headers, err := headersIn(*r.Body)
	if err != nil {
		return nil, err
	}
	err = h.service.EndpointHeadersUpdate(ctx, scopeOf(ctx), r.AppID, r.EndpointID, headers)
	return EndpointHeadersUpdate204Response{}, asJSONError(err)
}

func (h *handlers) EndpointHeadersPatch(ctx context.Context, r EndpointHeadersPatchRequestObject) (EndpointHeadersPatchResponseObject, error) {
	if r.Body.Headers == nil && r.Body.DeleteHeaders == nil {
		return nil, wire.Missing("headers")
	}
	patch := core.HeadersPatch{Set: core.Headers{}, Delete: r.Body.DeleteHeaders}
	for name, value := range r.Body.Headers {
		if value == nil {
			patch.Delete = append(patch.Delete, name)
		} else {
			patch.Set[name] = *value
		}
	}
	return EndpointHeadersPatch204Response{}, h.service.EndpointHeadersPatch(ctx, scopeOf(ctx), r.AppID, r.EndpointID, patch)
}

func headersIn(in EndpointHeadersIn) (core.Headers, error) {
	if in.Headers == nil {
		return nil, wire.Missing("headers")
	}
	return core.Headers(in.Headers), nil
}

// asJSONError turns faults in the contents of a body into decoding errors. Existing servers check header names and
// values while they decode a body that replaces the headers, and their clients may check the error type.
func asJSONError(err error) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		for i := range e.Fields {
			e.Fields[i].Type = wire.TypeUnreadable
		}
	}
	return err
}

package server

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) ApplicationCreate(ctx context.Context, r ApplicationCreateRequestObject) (ApplicationCreateResponseObject, error) {
	in, err := applicationIn(*r.Body, nil)
	if err != nil {
		return nil, err
	}
	app, created, err := h.service.ApplicationCreate(ctx, scopeOf(ctx), in, orZero(r.Params.GetIfExists))
	if err != nil {
		return nil, err
	}
	if !created {
		return ApplicationCreate200JSONResponse(applicationOut(app)), nil
	}
	return ApplicationCreate201JSONResponse(applicationOut(app)), nil
}

func (h *handlers) ApplicationGet(ctx context.Context, r ApplicationGetRequestObject) (ApplicationGetResponseObject, error) {
	app, err := h.service.ApplicationGet(ctx, scopeOf(ctx), r.AppID)
	return ApplicationGet200JSONResponse(applicationOut(app)), err
}

func (h *handlers) ApplicationList(ctx context.Context, r ApplicationListRequestObject) (ApplicationListResponseObject, error) {
	page, err := readPage(core.NewApplicationPage, r.Params.Limit, r.Params.Iterator, r.Params.Order, OrderingAscending)
	if err != nil {
		return nil, err
	}
	filter := core.ApplicationFilter{
		NoEndpoints:       orZero(r.Params.ExcludeAppsWithNoEndpoints),
		DisabledEndpoints: orZero(r.Params.ExcludeAppsWithDisabledEndpoints),
		PlayEndpoints:     orZero(r.Params.ExcludeAppsWithSvixPlayEndpoints),
	}
	list, err := h.service.ApplicationList(ctx, scopeOf(ctx), filter, page)
	if err != nil {
		return nil, err
	}
	key := func(app core.Application) string { return string(app.ID) }
	data, next, previous := answerPage(list, key, applicationOut)
	return ApplicationList200JSONResponse{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}, nil
}

func (h *handlers) ApplicationUpdate(ctx context.Context, r ApplicationUpdateRequestObject) (ApplicationUpdateResponseObject, error) {
	in, err := applicationIn(*r.Body, nil)
	if err != nil {
		return nil, err
	}
	app, created, err := h.service.ApplicationUpdate(ctx, scopeOf(ctx), r.AppID, in)
	if err != nil {
		return nil, err
	}
	if created {
		return ApplicationUpdate201JSONResponse(applicationOut(app)), nil
	}
	return ApplicationUpdate200JSONResponse(applicationOut(app)), nil
}

func (h *handlers) ApplicationPatch(ctx context.Context, r ApplicationPatchRequestObject) (ApplicationPatchResponseObject, error) {
	patch := *r.Body
	if err := refuseNulls(patched{"name", patch.Name}); err != nil {
		return nil, err
	}
	app, err := h.service.ApplicationPatch(ctx, scopeOf(ctx), r.AppID, func(in *core.ApplicationIn) {
		put(&in.Name, patch.Name)
		putOrClear(&in.UID, patch.UID)
		putRate(&in.ThrottleRate, patch.ThrottleRate, patch.RateLimit)
		putMetadata(&in.Metadata, patch.Metadata)
	})
	return ApplicationPatch200JSONResponse(applicationOut(app)), err
}

func (h *handlers) ApplicationDelete(ctx context.Context, r ApplicationDeleteRequestObject) (ApplicationDeleteResponseObject, error) {
	return ApplicationDelete204Response{}, h.service.ApplicationDelete(ctx, scopeOf(ctx), r.AppID)
}

// applicationIn reads an application found in a body at path.
func applicationIn(in ApplicationIn, path []string) (core.ApplicationIn, error) {
	if in.Name == nil {
		return core.ApplicationIn{}, wire.Missing(append(path, "name")...)
	}
	return core.ApplicationIn{
		UID: in.UID, Name: *in.Name, ThrottleRate: rate(in.ThrottleRate, in.RateLimit), Metadata: core.Metadata(in.Metadata),
	}, nil
}

func applicationOut(app core.Application) ApplicationOut {
	return ApplicationOut{
		ID: string(app.ID), UID: app.UID, Name: app.Name,
		ThrottleRate: rateOut(app.ThrottleRate), RateLimit: rateOut(app.ThrottleRate), Metadata: texts(app.Metadata),
		CreatedAt: Timestamp(app.CreatedAt), UpdatedAt: Timestamp(app.UpdatedAt),
	}
}

package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/eventspec"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) EventTypeCreate(ctx context.Context, r EventTypeCreateRequestObject) (EventTypeCreateResponseObject, error) {
	if err := organisationOnly(ctx); err != nil {
		return nil, err
	}
	b := r.Body
	if b.Name == nil {
		return nil, wire.Missing("name")
	}
	in, err := eventTypeIn(*b.Name, EventTypeUpdate{
		Description: b.Description, Archived: b.Archived, Deprecated: b.Deprecated, Schemas: b.Schemas,
		FeatureFlag: b.FeatureFlag, FeatureFlags: b.FeatureFlags, GroupName: b.GroupName,
	})
	if err != nil {
		return nil, err
	}
	t, err := h.service.EventTypeCreate(ctx, scopeOf(ctx), in)
	return EventTypeCreate201JSONResponse(eventTypeOut(t)), err
}

func (h *handlers) EventTypeGet(ctx context.Context, r EventTypeGetRequestObject) (EventTypeGetResponseObject, error) {
	t, err := h.service.EventTypeGet(ctx, scopeOf(ctx), r.EventTypeName)
	return EventTypeGet200JSONResponse(eventTypeOut(t)), err
}

func (h *handlers) EventTypeList(ctx context.Context, r EventTypeListRequestObject) (EventTypeListResponseObject, error) {
	page, err := readPage(core.NewEventTypePage, r.Params.Limit, r.Params.Iterator, nil, OrderingAscending)
	if err != nil {
		return nil, err
	}
	list, err := h.service.EventTypeList(ctx, scopeOf(ctx), orZero(r.Params.IncludeArchived), page)
	if err != nil {
		return nil, err
	}
	data, next, previous := answerPage(list,
		func(t core.EventType) string { return core.EventTypeIterator(t.Name) },
		func(t core.EventType) EventTypeOut {
			if !orZero(r.Params.WithContent) {
				t.Schemas = nil
			}
			return eventTypeOut(t)
		})
	return EventTypeList200JSONResponse{Data: data, Done: list.Done, Iterator: next, PrevIterator: previous}, nil
}

func (h *handlers) EventTypeUpdate(ctx context.Context, r EventTypeUpdateRequestObject) (EventTypeUpdateResponseObject, error) {
	if err := organisationOnly(ctx); err != nil {
		return nil, err
	}
	in, err := eventTypeIn(r.EventTypeName, *r.Body)
	if err != nil {
		return nil, err
	}
	t, created, err := h.service.EventTypeUpdate(ctx, scopeOf(ctx), in)
	if err != nil {
		return nil, nameInPath(err)
	}
	if created {
		return EventTypeUpdate201JSONResponse(eventTypeOut(t)), nil
	}
	return EventTypeUpdate200JSONResponse(eventTypeOut(t)), nil
}

// nameInPath changes the location of a fault in the name to the path, where a PUT has it.
func nameInPath(err error) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		for i, f := range e.Fields {
			if slices.Equal(f.Loc, []string{"body", "name"}) {
				e.Fields[i].Loc = []string{"path", "event_type_name"}
			}
		}
	}
	return err
}

func (h *handlers) EventTypePatch(ctx context.Context, r EventTypePatchRequestObject) (EventTypePatchResponseObject, error) {
	if err := organisationOnly(ctx); err != nil {
		return nil, err
	}
	patch := *r.Body
	err := refuseNulls(
		patched{"description", patch.Description}, patched{"archived", patch.Archived}, patched{"deprecated", patch.Deprecated},
	)
	if err != nil {
		return nil, err
	}
	schemas, _ := patch.Schemas.Get() // nil if null or absent
	if err := eventspec.CheckSchemas(schemas); err != nil {
		return nil, err
	}
	t, err := h.service.EventTypePatch(ctx, scopeOf(ctx), r.EventTypeName, func(in *core.EventTypeIn) {
		put(&in.Description, patch.Description)
		put(&in.Archived, patch.Archived)
		put(&in.Deprecated, patch.Deprecated)
		if patch.Schemas.IsSpecified() {
			in.Schemas = schemas
		}
		if patch.FeatureFlag.IsSpecified() {
			in.FeatureFlags = nil
			if flag, err := patch.FeatureFlag.Get(); err == nil {
				in.FeatureFlags = []string{flag}
			}
		}
		putSet(&in.FeatureFlags, patch.FeatureFlags) // wins
		putOrClear(&in.GroupName, patch.GroupName)
	})
	return EventTypePatch200JSONResponse(eventTypeOut(t)), err
}

func (h *handlers) EventTypeDelete(ctx context.Context, r EventTypeDeleteRequestObject) (EventTypeDeleteResponseObject, error) {
	return EventTypeDelete204Response{}, h.service.EventTypeDelete(ctx, scopeOf(ctx), r.EventTypeName, orZero(r.Params.Expunge))
}

// organisationOnly rejects an application's token, as core does, before the schemas are checked: checking takes work,
// and their faults are not the bearer's business.
func organisationOnly(ctx context.Context) error {
	if scopeOf(ctx).AppID != "" {
		return core.Forbidden()
	}
	return nil
}

func eventTypeIn(name string, in EventTypeUpdate) (core.EventTypeIn, error) {
	if in.Description == nil {
		return core.EventTypeIn{}, wire.Missing("description")
	}
	if err := eventspec.CheckSchemas(in.Schemas); err != nil {
		return core.EventTypeIn{}, err
	}
	flags := wire.Set(in.FeatureFlags)
	if in.FeatureFlags == nil && in.FeatureFlag != nil {
		flags = []string{*in.FeatureFlag}
	}
	return core.EventTypeIn{
		Name: name, Description: *in.Description, Archived: orZero(in.Archived), Deprecated: orZero(in.Deprecated),
		Schemas: notNull(in.Schemas), FeatureFlags: flags, GroupName: in.GroupName,
	}, nil
}

// notNull returns nil for a null, the same as for an absent value.
func notNull(text json.RawMessage) json.RawMessage {
	if string(text) == "null" {
		return nil
	}
	return text
}

func eventTypeOut(t core.EventType) EventTypeOut {
	var flag *string
	if len(t.FeatureFlags) > 0 {
		flag = &t.FeatureFlags[0]
	}
	return EventTypeOut{
		Name: t.Name, Description: t.Description, Archived: t.Archived, Deprecated: t.Deprecated,
		Schemas: t.Schemas, FeatureFlags: t.FeatureFlags, FeatureFlag: flag, GroupName: t.GroupName,
		CreatedAt: Timestamp(t.CreatedAt), UpdatedAt: Timestamp(t.UpdatedAt),
	}
}

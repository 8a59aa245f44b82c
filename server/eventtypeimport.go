package server

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
	"github.com/postrider/postrider/server/eventspec"
	"github.com/postrider/postrider/wire"
)

func (h *handlers) EventTypeImport(ctx context.Context, r EventTypeImportRequestObject) (EventTypeImportResponseObject, error) {
	if err := organisationOnly(ctx); err != nil {
		return nil, err
	}
	spec, at, err := importSpec(r.Body)
	if err != nil {
		return nil, err
	}
	types, err := eventspec.Read(spec, at)
	if err != nil {
		return nil, err
	}
	dryRun := orZero(r.Body.DryRun)
	changed, err := h.service.EventTypeImport(ctx, scopeOf(ctx), core.EventTypeImportIn{
		Types: types, Loc: []string{at, "webhooks"}, ReplaceAll: orZero(r.Body.ReplaceAll), DryRun: dryRun,
	})
	if err != nil {
		return nil, err
	}
	return EventTypeImport200JSONResponse{Data: importOut(changed, dryRun)}, nil
}

// importSpec returns the document of an import as JSON, and the name of the field that it was sent in.
func importSpec(in *EventTypeImportJSONRequestBody) (spec json.RawMessage, field string, err error) {
	spec = notNull(in.Spec)
	if (spec == nil) == (in.SpecRaw == nil) {
		return nil, "", &core.Error{
			Kind: core.KindBadRequest, Code: "generic_error", Message: "Give the document either as spec (JSON) or as specRaw (text), not both.",
		}
	}
	if spec != nil {
		return spec, "spec", nil
	}
	if text := json.RawMessage(*in.SpecRaw); ijson.Valid(text) {
		return text, "specRaw", nil
	}
	if spec, err = eventspec.YAMLToJSON(*in.SpecRaw); err != nil {
		return nil, "", wire.Unreadable("specRaw is neither JSON nor YAML: "+strings.ReplaceAll(err.Error(), "yaml: ", ""), "specRaw")
	}
	return spec, "specRaw", nil
}

func importOut(changed []core.EventType, dryRun bool) EventTypeImportOpenAPIOutData {
	out := EventTypeImportOpenAPIOutData{Modified: []string{}}
	if !dryRun {
		for _, t := range changed {
			out.Modified = append(out.Modified, t.Name)
		}
		return out
	}
	out.ToModify = []EventTypeFromOpenAPI{} // null would mean that this was not a dry run
	for _, t := range changed {
		all := eventTypeOut(t)
		out.ToModify = append(out.ToModify, EventTypeFromOpenAPI{
			Name: all.Name, Description: all.Description, Deprecated: all.Deprecated, Archived: all.Archived, Schemas: all.Schemas,
			FeatureFlag: all.FeatureFlag, FeatureFlags: all.FeatureFlags, GroupName: all.GroupName,
		})
	}
	return out
}

package e2e

import (
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/utils"

	"github.com/postrider/postrider/e2e/rig"
)

const petSpec = `
openapi: 3.1.0
webhooks:
  pet.new:
    post:
      description: A pet was born
      x-svix-group-name: pets
      requestBody:
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Pet" }
  pet.secret:
    post: { summary: For some only, deprecated: true, x-svix-feature-flags: [beta] }
components:
  schemas:
    Pet:
      type: object
      examples: [{ name: Rex }]
      properties:
        name: { type: string }
        mother: { $ref: "#/components/schemas/Pet" }
`

func TestEventTypeImportReadsOpenAPI(t *testing.T) {
	t.Parallel()
	s, ctx := rig.Shared(t), t.Context()
	owner, stranger := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random())), rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	rig.Must(owner.EventType.Create(ctx, svix.EventTypeIn{Name: "pet.gone", Description: "No more"}, nil))(t)
	rig.Must(stranger.EventType.Create(ctx, svix.EventTypeIn{Name: "pet.new", Description: "Another's"}, nil))(t)

	in := svix.EventTypeImportOpenApiIn{SpecRaw: new(petSpec), ReplaceAll: new(true), DryRun: new(true)}
	would := rig.Must(owner.EventType.ImportOpenapi(ctx, in, nil))(t).Data
	names := []string{}
	for _, e := range would.ToModify {
		names = append(names, e.Name)
	}
	if want := []string{"pet.gone", "pet.new", "pet.secret"}; !slices.Equal(names, want) || len(would.Modified) != 0 {
		t.Errorf("a dry run would modify %q and has modified %q, want %q and nothing", names, would.Modified, want)
	}
	if all := rig.Must(owner.EventType.List(ctx, nil))(t).Data; len(all) != 1 {
		t.Errorf("after a dry run there are %d event types, want one", len(all))
	}

	in.DryRun = nil
	if got := rig.Must(owner.EventType.ImportOpenapi(ctx, in, nil))(t).Data.Modified; !slices.Equal(got, names) {
		t.Errorf("modified %q, want %q", got, names)
	}
	if again := rig.Must(owner.EventType.ImportOpenapi(ctx, in, nil))(t).Data.Modified; len(again) != 0 {
		t.Errorf("the same again modified %q", again)
	}
	pet := rig.Must(owner.EventType.Get(ctx, "pet.new"))(t)
	schema, _ := (*pet.Schemas)["1"].(map[string]any)
	if pet.Description != "A pet was born" || *pet.GroupName != "pets" || schema["type"] != "object" || schema["definitions"] == nil {
		t.Errorf("got %+v with the schema %v", pet, schema)
	}
	if gone := rig.Must(owner.EventType.Get(ctx, "pet.gone"))(t); !*gone.Archived {
		t.Errorf("got %+v, want it archived", gone)
	}
	theirs := rig.Must(stranger.EventType.List(ctx, &svix.EventTypeListOptions{IncludeArchived: new(true)}))(t).Data
	if len(theirs) != 1 || theirs[0].Description != "Another's" || *theirs[0].Archived {
		t.Errorf("another organisation has %+v now", theirs)
	}
}

func TestEventTypeImportRefusesInvalid(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	_, err := c.EventType.ImportOpenapi(ctx, svix.EventTypeImportOpenApiIn{}, nil)
	rig.WantRefused(t, err, 400, "generic_error")
	_, err = c.EventType.ImportOpenapi(ctx, svix.EventTypeImportOpenApiIn{Spec: &map[string]any{}, SpecRaw: new(petSpec)}, nil)
	rig.WantRefused(t, err, 400, "generic_error")
	spec := map[string]any{"webhooks": map[string]any{"e2e." + rig.Random(): map[string]any{"post": nil}, "bad name": map[string]any{"post": map[string]any{}}}}
	_, err = c.EventType.ImportOpenapi(ctx, svix.EventTypeImportOpenApiIn{Spec: &spec}, nil)
	rig.WantRefused(t, err, 422, "")
	_, err = c.EventType.Create(ctx, svix.EventTypeIn{Name: "e2e." + rig.Random(), Schemas: &map[string]any{"1": map[string]any{"type": "text"}}}, nil)
	rig.WantRefused(t, err, 422, "")
}

func TestEventTypeIsReadOnlyForApplicationToken(t *testing.T) {
	t.Parallel()
	s, ctx, org := rig.Shared(t), t.Context(), "org_"+rig.Random()
	owner := rig.NewClient(t, s.URL, s.NewToken(t, org))
	rig.Must(owner.EventType.ImportOpenapi(ctx, svix.EventTypeImportOpenApiIn{SpecRaw: new(petSpec)}, nil))(t)
	customer := rig.NewClient(t, s.URL, s.NewToken(t, org, "--application", owner.NewApplication(t)))

	all := rig.Must(customer.EventType.List(ctx, &svix.EventTypeListOptions{WithContent: new(true)}))(t).Data
	if len(all) != 1 || all[0].Name != "pet.new" || all[0].Schemas == nil {
		t.Errorf("a customer without flags sees %+v, want pet.new", all)
	}
	rig.Must(customer.EventType.Get(ctx, "pet.new"))(t)
	_, err := customer.EventType.Get(ctx, "pet.secret")
	rig.WantRefused(t, err, 404, "not_found")

	const forbidden = "insufficient access"
	_, err = customer.EventType.ImportOpenapi(ctx, svix.EventTypeImportOpenApiIn{SpecRaw: new(petSpec)}, nil)
	rig.WantRefused(t, err, 403, forbidden)
	_, err = customer.EventType.Update(ctx, "pet.new", svix.EventTypeUpdate{Description: "Mine"})
	rig.WantRefused(t, err, 403, forbidden)
	_, err = customer.EventType.Patch(ctx, "pet.new", svix.EventTypePatch{Description: new("Mine")})
	rig.WantRefused(t, err, 403, forbidden)
	rig.WantRefused(t, customer.EventType.Delete(ctx, "pet.new", nil), 403, forbidden)
	rig.WantRefused(t, customer.EventType.Delete(ctx, "pet.new", &svix.EventTypeDeleteOptions{Expunge: new(true)}), 403, forbidden)
}

func TestEventTypeOfAnotherOrganisationIsNotFound(t *testing.T) {
	t.Parallel()
	s, ctx := rig.Shared(t), t.Context()
	owner, stranger := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random())), rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	name := owner.NewEventType(t)
	_, err := stranger.EventType.Get(ctx, name)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = stranger.EventType.Patch(ctx, name, svix.EventTypePatch{Description: new("Mine")})
	rig.WantRefused(t, err, 404, "not_found")
	rig.WantRefused(t, stranger.EventType.Delete(ctx, name, nil), 404, "not_found")
	rig.WantRefused(t, stranger.EventType.Delete(ctx, name, &svix.EventTypeDeleteOptions{Expunge: new(true)}), 404, "not_found")
	rig.Must(stranger.EventType.Update(ctx, name, svix.EventTypeUpdate{Description: "Mine"}))(t) // creates its own
	rig.NoError(t, stranger.EventType.Delete(ctx, name, &svix.EventTypeDeleteOptions{Expunge: new(true)}))
	if got := rig.Must(owner.EventType.Get(ctx, name))(t); got.Description == "Mine" || *got.Archived {
		t.Errorf("the owner's is now %+v", got)
	}
}

func TestEventTypeKeepsGroupAndFlags(t *testing.T) {
	t.Parallel()
	c, ctx, name := rig.Shared(t).NewTenant(t), t.Context(), "e2e."+rig.Random()
	made := rig.Must(c.EventType.Create(ctx, svix.EventTypeIn{Name: name, GroupName: new("g"), FeatureFlags: []string{"a", "b"}}, nil))(t)
	if *made.GroupName != "g" || !slices.Equal(made.FeatureFlags, []string{"a", "b"}) || *made.FeatureFlag != "a" {
		t.Errorf("created %+v", made)
	}
	patched := rig.Must(c.EventType.Patch(ctx, name, svix.EventTypePatch{FeatureFlag: utils.NewNullable("c")}))(t)
	if *patched.GroupName != "g" || !slices.Equal(patched.FeatureFlags, []string{"c"}) {
		t.Errorf("patched to %+v", patched)
	}
	updated := rig.Must(c.EventType.Update(ctx, name, svix.EventTypeUpdate{Description: "D", GroupName: new("h")}))(t)
	if *updated.GroupName != "h" || updated.FeatureFlags != nil {
		t.Errorf("updated to %+v", updated)
	}
	if got := rig.Must(c.EventType.Get(ctx, name))(t); *got.GroupName != "h" {
		t.Errorf("got %+v", got)
	}
}

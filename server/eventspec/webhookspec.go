// Package eventspec reads the descriptions of events that clients send. It checks JSON Schemas, and converts the
// webhooks of OpenAPI documents in JSON or YAML to event types. It limits the cost of a document and fetches nothing
// that a document refers to. It must not know HTTP, tokens or the store: it turns bytes into core's input or a
// core.Error.
package eventspec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ijson"
	"github.com/postrider/postrider/wire"
)

// A webhookSpec is the part of a client's OpenAPI document that an import reads. Names are OpenAPI's, written in full
// because faults refer to them.
type webhookSpec struct {
	Webhooks   map[string]json.RawMessage `json:"webhooks"`   // since OpenAPI 3.1
	XWebhooks  map[string]json.RawMessage `json:"x-webhooks"` // before OpenAPI 3.1
	Components struct {
		Schemas       map[string]json.RawMessage `json:"schemas"`
		RequestBodies map[string]json.RawMessage `json:"requestBodies"`
		PathItems     map[string]json.RawMessage `json:"pathItems"`
	} `json:"components"`
}

type webhookItem struct {
	Post  *webhookOperation `json:"post"`
	Put   *webhookOperation `json:"put"`
	Patch *webhookOperation `json:"patch"`
	Get   *webhookOperation `json:"get"`
}

type webhookOperation struct {
	Summary      string          `json:"summary"`
	Description  string          `json:"description"`
	Deprecated   bool            `json:"deprecated"`
	RequestBody  json.RawMessage `json:"requestBody"`
	GroupName    *string         `json:"x-svix-group-name"`
	FeatureFlags []string        `json:"x-svix-feature-flags"`
	FeatureFlag  *string         `json:"x-svix-feature-flag"`
}

type webhookBody struct {
	Content map[string]struct {
		Schema  json.RawMessage `json:"schema"`
		Example json.RawMessage `json:"example"`
	} `json:"content"`
}

// specBytesMost limits the total size of the schemas and components of one import. A component counts each time it is
// needed, because each of a thousand webhooks may refer to the same megabyte.
const specBytesMost = 8 << 20

// referencesMost is the maximum length of a chain of references. No real document needs that many; a longer chain is
// treated as a cycle.
const referencesMost = 10

// Read converts a document's webhooks to event types, in the order of their names. at is the location of the document
// in the body.
func Read(text json.RawMessage, at ...string) ([]core.EventTypeIn, error) {
	r := specReader{at: at, components: map[string]*specSchema{}, left: specBytesMost}
	if err := ijson.Unmarshal(text, &r.spec); err != nil {
		return nil, relocate(wire.ReadError(err), at...)
	}
	webhooks := r.webhooks()
	if webhooks == nil {
		return nil, core.Invalid("The document has no webhooks; put them under webhooks or x-webhooks.", append([]string{"body"}, at...)...)
	}
	if len(webhooks) > core.EventTypeImportMost {
		return nil, core.Invalid(fmt.Sprintf("The document may hold at most %d webhooks, and holds %d.",
			core.EventTypeImportMost, len(webhooks)), append([]string{"body"}, at...)...)
	}
	var types []core.EventTypeIn
	for _, name := range slices.Sorted(maps.Keys(webhooks)) {
		types = append(types, r.eventType(name, webhooks[name]))
	}
	return types, invalidFields(r.faults)
}

// relocate inserts the location of a document into the locations of an error's faults, after the "body" that they
// begin with.
func relocate(err error, at ...string) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		for i, f := range e.Fields {
			e.Fields[i].Loc = slices.Insert(slices.Clone(f.Loc), 1, at...)
		}
	}
	return err
}

// faultsMost limits the list of faults. An answer shows no more.
const faultsMost = 100

// A specReader reads one document.
type specReader struct {
	spec       webhookSpec
	at         []string
	components map[string]*specSchema // the component schemas that were needed so far; nil if invalid
	left       int                    // bytes left for more schemas and components
	faults     []core.Field
}

// webhooks returns all webhooks by name, or nil if the document has neither webhooks nor x-webhooks.
func (r *specReader) webhooks() map[string]json.RawMessage {
	if r.spec.XWebhooks == nil {
		return r.spec.Webhooks
	}
	maps.Copy(r.spec.XWebhooks, r.spec.Webhooks)
	return r.spec.XWebhooks
}

// fault records a fault. where is its location inside the document.
func (r *specReader) fault(message string, where ...string) {
	r.refuse(core.Invalid(message, slices.Concat([]string{"body"}, r.at, where)...))
}

// refuse records the faults of an error.
func (r *specReader) refuse(err error) {
	if e, ok := errors.AsType[*core.Error](err); ok && len(r.faults) < faultsMost {
		r.faults = append(r.faults, e.Fields...)
	}
}

func (r *specReader) eventType(name string, item json.RawMessage) core.EventTypeIn {
	where := []string{"webhooks", name}
	op := r.operation(item, where)
	if op == nil {
		return core.EventTypeIn{} // refused; the fault is recorded
	}
	flags := wire.Set(op.FeatureFlags)
	if flags == nil && op.FeatureFlag != nil {
		flags = []string{*op.FeatureFlag}
	}
	var schemas json.RawMessage
	if schema := r.bodySchema(op.RequestBody, where); schema != nil {
		schemas = slices.Concat([]byte(`{"1":`), schema, []byte("}"))
	}
	return core.EventTypeIn{
		Name: name, Description: cmp.Or(op.Description, op.Summary), Archived: false, Deprecated: op.Deprecated,
		Schemas: schemas, FeatureFlags: flags, GroupName: op.GroupName,
	}
}

// operation returns a webhook's operation: normally post, otherwise the first of put, patch and get.
func (r *specReader) operation(item json.RawMessage, where []string) *webhookOperation {
	var methods webhookItem
	if !r.decode(item, &methods, "pathItems", r.spec.Components.PathItems, where) {
		return nil
	}
	op := cmp.Or(methods.Post, methods.Put, methods.Patch, methods.Get)
	if op == nil {
		r.fault("A webhook must have an operation, such as post.", where...)
	}
	return op
}

// bodySchema returns the standalone JSON Schema of a request body, or nil if it has none.
func (r *specReader) bodySchema(body json.RawMessage, where []string) json.RawMessage {
	var b webhookBody
	if body == nil || !r.decode(body, &b, "requestBodies", r.spec.Components.RequestBodies, where) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(b.Content)) {
		media := b.Content[name]
		if base, _, err := mime.ParseMediaType(name); err == nil && base == "application/json" && media.Schema != nil {
			return r.standalone(media.Schema, media.Example, where)
		}
	}
	return nil
}

// decode decodes text into v. If text is a reference, it decodes the referenced component of the given kind instead.
func (r *specReader) decode(text json.RawMessage, v any, kind string, components map[string]json.RawMessage, where []string) bool {
	for range referencesMost {
		var to struct {
			Ref string `json:"$ref"`
		}
		_ = ijson.Unmarshal(text, &to) // if text is not an object, decoding into v fails
		if to.Ref == "" {
			if err := ijson.Unmarshal(text, v); err != nil {
				r.refuse(relocate(wire.ReadError(err), slices.Concat(r.at, where)...))
				return false
			}
			return true
		}
		name, found := componentName(to.Ref, kind)
		if text = components[name]; !found || text == nil {
			r.fault(fmt.Sprintf("The reference %.200q is not to one of the document's %s.", to.Ref, kind), where...)
			return false
		}
		if !r.spend(len(text), where) {
			return false
		}
	}
	r.fault("The references form a circle or a chain that is too long.", where...)
	return false
}

// spend subtracts bytes from what is left of specBytesMost, and reports whether the limit is kept.
func (r *specReader) spend(bytes int, where []string) bool {
	if r.left -= bytes; r.left < 0 {
		r.fault(fmt.Sprintf("The webhooks exceed %d bytes, counting each component every time it is referred to.", specBytesMost), where...)
	}
	return r.left >= 0
}

// componentName returns the name of the component that a reference points to, if it is of the given kind.
func componentName(ref, kind string) (name string, found bool) {
	token, found := strings.CutPrefix(ref, "#/components/"+kind+"/")
	if name, err := url.PathUnescape(token); err == nil {
		token = name
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token), found && token != ""
}

// compact encodes a value as JSON without HTML escaping.
func compact(value any) json.RawMessage {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // impossible: the value was decoded from JSON
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Package server is the REST API. It turns HTTP requests into calls of core's use cases, and their results into JSON.
// openapi.yaml is its contract and is written first. api.gen.go is generated from it, configured by oapi-codegen.yaml
// and, for details specific to Go, overlay.yaml. Every operation of the contract is a method of
// [StrictServerInterface]. The package knows nothing about SQL, brokers or deliveries.
package server

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

//go:embed openapi.yaml
var contractYAML []byte

// contractJSON returns the contract as JSON. It panics if openapi.yaml is not valid YAML. That is a defect of the
// build, which every test of this package detects.
var contractJSON = sync.OnceValue(func() []byte {
	text, err := yaml.YAMLToJSON(contractYAML)
	if err != nil {
		panic("openapi.yaml: " + err.Error())
	}
	return text
})

// contract returns the contract as Go values, with every reference to a parameter or response replaced by its target.
// It panics like contractJSON.
var contract = sync.OnceValue(func() *document {
	var doc document
	if err := json.Unmarshal(contractJSON(), &doc); err != nil {
		panic("openapi.yaml: " + err.Error())
	}
	for path, item := range doc.Paths {
		for method, op := range item.operations() {
			op.Method, op.Path = method, path
			op.Parameters = slices.Concat(item.Parameters, op.Parameters)
			for i, p := range op.Parameters {
				if p.Ref != "" {
					op.Parameters[i] = doc.Components.Parameters[refName(p.Ref)]
				}
			}
			for status, r := range op.Responses {
				if r.Ref != "" {
					op.Responses[status] = doc.Components.Responses[refName(r.Ref)]
				}
			}
		}
	}
	return &doc
})

// serveContract serves the contract as JSON. The content type has no charset because a test of the Python SDK
// compares it exactly.
func serveContract(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(contractJSON()) // fails only if the client has gone
}

// A document is the part of an OpenAPI document that we read. Names are those of OpenAPI.
type document struct {
	Info       struct{ Title, Version, Description string }
	Tags       []struct{ Name, Description string }
	Paths      map[string]pathItem
	Components struct {
		SecuritySchemes map[string]struct{ Description string }
		Parameters      map[string]*parameter
		Responses       map[string]*response
		Schemas         map[string]*schema
	}
}

type pathItem struct {
	Parameters                    []*parameter
	Get, Post, Put, Patch, Delete *operation
}

// operations maps methods to operations.
func (p pathItem) operations() map[string]*operation {
	all := map[string]*operation{}
	for method, op := range map[string]*operation{
		http.MethodGet: p.Get, http.MethodPost: p.Post, http.MethodPut: p.Put,
		http.MethodPatch: p.Patch, http.MethodDelete: p.Delete,
	} {
		if op != nil {
			all[method] = op
		}
	}
	return all
}

type operation struct {
	Method, Path string `json:"-"`

	OperationID, Summary, Description string
	Tags                              []string
	Security                          []map[string][]string
	Parameters                        []*parameter
	RequestBody                       *struct{ Content content }
	Responses                         map[string]*response
}

type parameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Example               string
	Required              bool
	Schema                *schema
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     content
}

type content map[string]struct{ Schema *schema }

// JSON returns the schema of the JSON body, or nil if there is none.
func (c content) JSON() *schema { return c["application/json"].Schema }

type schema struct {
	Ref                                string `json:"$ref"`
	Type, Format, Pattern, Description string

	Nullable, Deprecated                                       bool
	Minimum, Maximum, MinLength, MaxLength, MinItems, MaxItems *int
	Enum                                                       []any
	Example                                                    json.RawMessage
	Default                                                    any
	Items, AdditionalProperties                                *schema
	AllOf                                                      []*schema
	Required                                                   []string
	Properties                                                 map[string]*schema
}

// refName returns the name of the component that a reference points to.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

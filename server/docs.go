package server

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

//go:embed docs.html
var docsHTML string

// docsPage renders the contract as one HTML page. The page is self-contained: it loads no scripts, fonts or styles,
// so it works without a network. docsPage panics if the template does not fit the contract, which every test of the
// page detects.
var docsPage = sync.OnceValue(func() []byte {
	doc := contract()
	page := template.Must(template.New("docs").Funcs(template.FuncMap{
		"access": accessText,
		"curl":   curlExample,
		"fields": doc.fields,
		"limits": limitTexts,
		"prose":  proseHTML,
		"type":   typeLabelOf,

		"responses": responsesOf,
	}).Parse(docsHTML))
	var out bytes.Buffer
	if err := page.Execute(&out, doc); err != nil {
		panic("docs.html: " + err.Error())
	}
	return out.Bytes()
})

// serveDocs serves the contract as an HTML page.
func serveDocs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write(docsPage()) // fails only if the client has gone
}

// Operations returns the operations of a tag by path, and those of one path in life-cycle order.
func (d *document) Operations(tag string) []*operation {
	var all []*operation
	for _, item := range d.Paths {
		for _, op := range item.operations() {
			if slices.Contains(op.Tags, tag) {
				all = append(all, op)
			}
		}
	}
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	slices.SortFunc(all, func(a, b *operation) int {
		return cmp.Or(
			strings.Compare(a.Path, b.Path),
			cmp.Compare(slices.Index(methods, a.Method), slices.Index(methods, b.Method)),
		)
	})
	return all
}

// responsesOf returns an operation's success responses, or all others.
func responsesOf(op *operation, success bool) map[string]*response {
	picked := maps.Clone(op.Responses)
	maps.DeleteFunc(picked, func(status string, _ *response) bool { return (status[0] == '2') != success })
	return picked
}

// A field is a row in a schema's table.
type field struct {
	Name, Description string
	Required          bool
	Schema            *schema
}

// fields lists the properties of a schema, including those of its parts (allOf). Required properties come first; each
// group is sorted by name.
func (d *document) fields(s *schema) []field {
	var all []field
	if s.Ref != "" {
		s = d.Components.Schemas[refName(s.Ref)]
	}
	for _, part := range s.AllOf {
		all = append(all, d.fields(part)...)
	}
	for name, property := range s.Properties {
		description := property.Description
		if property.Ref != "" {
			description = d.Components.Schemas[refName(property.Ref)].Description
		}
		all = append(all, field{name, description, slices.Contains(s.Required, name), property})
	}
	slices.SortFunc(all, func(a, b field) int {
		if a.Required != b.Required {
			return map[bool]int{true: -1, false: 1}[a.Required]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

// A typeLabel names a type. It consists of words and optionally a schema on the page to link to.
type typeLabel struct{ Words, Schema string }

func typeLabelOf(s *schema) typeLabel {
	switch {
	case s.Ref != "":
		return typeLabel{Schema: refName(s.Ref)}
	case len(s.AllOf) == 1:
		return typeLabelOf(s.AllOf[0])
	case s.Type == "array":
		of := typeLabelOf(s.Items)
		return typeLabel{"array of " + of.Words, of.Schema}
	case s.AdditionalProperties != nil:
		of := typeLabelOf(s.AdditionalProperties)
		return typeLabel{"map of " + of.Words, of.Schema}
	case s.Type == "":
		return typeLabel{Words: "anything"}
	case s.Format != "":
		return typeLabel{Words: s.Type + " (" + s.Format + ")"}
	}
	return typeLabel{Words: s.Type}
}

// limitTexts describes in words what a schema allows.
func limitTexts(s *schema) []string {
	texts := []string{
		rangeText(s.MinLength, s.MaxLength, "characters"),
		rangeText(s.MinItems, s.MaxItems, "items"),
		rangeText(s.Minimum, s.Maximum, ""),
	}
	if s.Enum != nil {
		texts = append(texts, "one of "+jsonText(s.Enum))
	}
	if s.Pattern != "" {
		texts = append(texts, "matches "+s.Pattern)
	}
	if s.Default != nil {
		texts = append(texts, "default "+jsonText(s.Default))
	}
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

func rangeText(low, high *int, unit string) string {
	switch {
	case low != nil && high != nil:
		return strings.TrimSpace(fmt.Sprintf("%d to %d %s", *low, *high, unit))
	case low != nil:
		return strings.TrimSpace(fmt.Sprintf("at least %d %s", *low, unit))
	case high != nil:
		return strings.TrimSpace(fmt.Sprintf("at most %d %s", *high, unit))
	}
	return ""
}

func jsonText(value any) string {
	text, _ := json.Marshal(value) // cannot fail: it was decoded from JSON
	return string(text)
}

// accessText says which tokens an operation accepts.
func accessText(op *operation) string {
	if len(op.Security) == 0 {
		return "No token"
	}
	_, application := op.Security[len(op.Security)-1]["applicationToken"]
	switch {
	case application && len(op.Security) == 1:
		return "Application token"
	case application:
		return "Organisation or application token"
	}
	return "Organisation token"
}

// proseHTML converts a description to HTML. An empty line ends a paragraph, and text in backquotes is code.
func proseHTML(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		out.WriteString("<p>")
		for i, piece := range strings.Split(paragraph, "`") {
			piece = template.HTMLEscapeString(piece)
			if i%2 == 1 {
				piece = "<code>" + piece + "</code>"
			}
			out.WriteString(piece)
		}
		out.WriteString("</p>")
	}
	return template.HTML(out.String())
}

package server

import (
	"net/http"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestContractIsValidOpenAPI(t *testing.T) {
	t.Parallel()
	w := newFixture(t).send(http.MethodGet, "/api/v1/openapi.json", "")
	wantStatus(t, w, http.StatusOK)
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(loader.Context, openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableExamplesValidation()); err != nil {
		t.Error(err)
	}
}

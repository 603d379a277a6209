package openapitest_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi"
)

func readDocument(t *testing.T) *v3.Document {
	t.Helper()
	parsed, err := libopenapi.NewDocument(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	model, err := parsed.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return &model.Model
}

// TestPutIsTheUnion makes sure that the one PUT that OpenAPI allows for the address says what the
// five requests say together.
func TestPutIsTheUnion(t *testing.T) {
	doc := readDocument(t)
	statuses, parameters, requests := map[string]bool{}, map[string]bool{}, 0
	for name, item := range doc.Components.PathItems.FromOldest() {
		if item.Put == nil {
			continue
		}
		requests++
		if item.Put.OperationId != name {
			t.Errorf("%s has the operationId %s", name, item.Put.OperationId)
		}
		for status := range item.Put.Responses.Codes.KeysFromOldest() {
			statuses[status] = true
		}
		for _, p := range item.Put.Parameters {
			parameters[p.Name] = true
		}
	}
	if requests != 5 {
		t.Errorf("there are %d requests", requests)
	}
	put := doc.Paths.PathItems.GetOrZero("/files/{entityId}/{filepath}").Put
	if got, want := slices.Sorted(put.Responses.Codes.KeysFromOldest()), slices.Sorted(maps.Keys(statuses)); !slices.Equal(got, want) {
		t.Errorf("PUT has the statuses %v, its requests %v", got, want)
	}
	var names []string
	for _, p := range put.Parameters {
		names = append(names, p.Name)
	}
	if slices.Sort(names); !slices.Equal(names, slices.Sorted(maps.Keys(parameters))) {
		t.Errorf("PUT has the parameters %v, its requests %v", names, slices.Sorted(maps.Keys(parameters)))
	}
}

// TestExamplesFit holds the examples against their schemas.
func TestExamplesFit(t *testing.T) {
	validator := schema_validation.NewSchemaValidator()
	seen := 0
	for name, response := range readDocument(t).Components.Responses.FromOldest() {
		for _, media := range response.Content.FromOldest() {
			for which, example := range media.Examples.FromOldest() {
				var value any
				if err := example.Value.Decode(&value); err != nil {
					t.Fatal(err)
				}
				seen++
				if ok, found := validator.ValidateSchemaObject(media.Schema.Schema(), value); !ok {
					t.Errorf("the example %s of %s: %v", which, name, found)
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("there are only %d examples", seen)
	}
}

func TestServe(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := httptest.NewRecorder()
		if err := openapi.Serve(w, httptest.NewRequestWithContext(t.Context(), method, openapi.Path, nil)); err != nil {
			t.Fatal(err)
		}
		want := string(openapi.Document())
		if got := w.Header().Get("Content-Type"); got != openapi.MediaType {
			t.Errorf("%s: the type is %s", method, got)
		}
		if method == http.MethodHead {
			want = ""
		}
		if w.Body.String() != want {
			t.Errorf("%s sends something else", method)
		}
	}
	openapi.Document()[0] = 'X'
	if openapi.Document()[0] == 'X' {
		t.Error("the document can be changed from outside")
	}
}

package e2e

import (
	"net/http"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi"
)

// TestOpenAPI reads the document from the operator that all the others hold against it.
func TestOpenAPI(t *testing.T) {
	f := system.tenants[0].newFile("none")
	a := f.mustAt(t, 200, http.MethodGet, system.operator.URL+openapi.Path, nil)
	if string(a.body) != string(openapi.Document()) {
		t.Error("the operator serves another document")
	}
	f.mustAt(t, 200, http.MethodHead, system.operator.URL+openapi.Path, nil)
	a = f.mustAt(t, 405, http.MethodPut, system.operator.URL+openapi.Path, nil)
	if allow := a.header.Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("it allows %q", allow)
	}
	f.mustAt(t, 405, http.MethodPost, f.url("files", ""), nil)
	// Its message names the API, whose name is the bucket's here.
	if a, err := f.do(t.Context(), http.MethodGet, system.operator.URL+"/api/iotfile/v2/files/"+f.entity, nil); err != nil || a.status != 404 {
		t.Errorf("an address outside of the API: %+v, %v", a, err)
	}
}

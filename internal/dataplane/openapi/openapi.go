// Package openapi holds the description of the REST API, in OpenAPI 3.1. Every answer that the
// end-to-end tests see is held against it (package openapitest), so that it says what the server
// does.
package openapi

import (
	"bytes"
	_ "embed"
	"net/http"
	"strconv"
)

// Path is where the document is served. It is outside of the API's base path.
const Path = "/openapi.yaml"

// MediaType is the document's (RFC 9512).
const MediaType = "application/yaml"

//go:embed openapi.yaml
var document []byte

// Document returns the document, in YAML. The caller may change what it gets.
func Document() []byte { return bytes.Clone(document) }

// Serve answers a GET or HEAD with the document. Which methods and paths are answered so is the
// caller's matter. The error is that of a client that is gone.
func Serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", MediaType)
	h.Set("Content-Length", strconv.Itoa(len(document)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(document)
	return err
}

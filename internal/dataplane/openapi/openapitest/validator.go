package openapitest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	liberrors "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/parameters"
	"github.com/pb33f/libopenapi/datamodel"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Validator holds requests and answers against a document. It is safe for concurrent use.
type Validator struct {
	doc     *v3.Document
	routes  []route
	library validator.Validator
	options *config.ValidationOptions
}

// New reads a document, in YAML, and makes sure that it is valid OpenAPI.
func New(document []byte) (*Validator, error) {
	parsed, err := libopenapi.NewDocumentWithConfiguration(document, &datamodel.DocumentConfiguration{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	options := []config.Option{config.WithFormatAssertions(), config.WithoutSecurityValidation()}
	library, errs := validator.NewValidator(parsed, options...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("read the document: %w", errors.Join(errs...))
	}
	if ok, found := library.ValidateDocument(); !ok {
		return nil, fmt.Errorf("the document is not valid: %w", joined(found))
	}
	model, err := parsed.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	v := &Validator{doc: &model.Model, library: library, options: config.NewValidationOptions(options...)}
	if v.doc.Components == nil || v.doc.Components.PathItems.GetOrZero(anythingElse) == nil {
		return nil, fmt.Errorf("the document has no components.pathItems.%s", anythingElse)
	}
	v.routes, err = readRoutes(v.doc)
	return v, err
}

// Check judges an answer, and the request if it was successful. A JSON body is read, and replaced
// by what was read.
func (v *Validator) Check(req *http.Request, res *http.Response) error {
	m := v.find(req)
	if m.name == anythingElse { // whatever the method is
		req = req.Clone(req.Context())
		if req.Method != http.MethodHead {
			req.Method = http.MethodGet
		}
	}
	err := v.checkResponse(m, req, res)
	if res.StatusCode < 400 {
		err = errors.Join(err, v.checkRequest(m, req))
	}
	if err != nil {
		return fmt.Errorf("%s %s answered %d, as %s: not what the OpenAPI document says: %w", req.Method, req.URL, res.StatusCode, m.name, err)
	}
	return nil
}

func (v *Validator) checkResponse(m match, req *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusInternalServerError {
		return errors.New("500 is documented, and always a fault")
	}
	documented := operationOf(m.item, req.Method).Responses.Codes.GetOrZero(strconv.Itoa(res.StatusCode))
	if documented == nil {
		return errors.New("this status is not documented")
	}
	errs := []error{undeclared(documented, res.Header), checkRange(res)}
	hasBody := req.Method != http.MethodHead && res.StatusCode != http.StatusNoContent && res.StatusCode != http.StatusNotModified
	switch {
	case documented.Content == nil || documented.Content.Len() == 0:
		errs = append(errs, v.onlyHeaders(m, req, res))
		if hasBody && !isEmpty(res) {
			errs = append(errs, errors.New("there is a body, and none is documented"))
		}
	case !hasBody || documented.Content.GetOrZero("*/*") != nil:
		if hasBody && res.Header.Get("Content-Type") == "" {
			errs = append(errs, errors.New("there is no Content-Type"))
		}
		errs = append(errs, v.onlyHeaders(m, req, res))
	default:
		_, found := v.library.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(req, res, m.item, m.name)
		errs = append(errs, joined(found))
	}
	return errors.Join(errs...)
}

// checkRange holds what no document can say: a partial answer tells which part it is, unless the
// parts of its body do (RFC 9110, 15.3.7).
func checkRange(res *http.Response) error {
	several := strings.HasPrefix(res.Header.Get("Content-Type"), "multipart/byteranges")
	if res.StatusCode == http.StatusPartialContent && several == (res.Header.Get("Content-Range") != "") {
		return errors.New("Content-Range is missing, or stands beside multipart/byteranges")
	}
	return nil
}

// onlyHeaders judges status and headers, without a look at the body.
func (v *Validator) onlyHeaders(m match, req *http.Request, res *http.Response) error {
	bare := *res
	bare.Body = http.NoBody
	head := req
	if operationOf(m.item, http.MethodHead) == operationOf(m.item, req.Method) {
		head = req.Clone(req.Context())
		head.Method = http.MethodHead
	}
	if bare.Header.Get("Content-Type") == "" {
		bare.Header = res.Header.Clone()
		bare.Header.Set("Content-Type", "application/json") // a HEAD or an empty body need not have one
	}
	_, found := v.library.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(head, &bare, m.item, m.name)
	return joined(found)
}

// unspoken are headers of every HTTP answer, which a document need not name.
var unspoken = []string{"Connection", "Content-Length", "Content-Type", "Date", "Transfer-Encoding"}

// undeclared finds headers that the document does not name.
func undeclared(documented *v3.Response, header http.Header) error {
	var errs []error
	for name := range header {
		known := slices.Contains(unspoken, http.CanonicalHeaderKey(name))
		for declared := range documented.Headers.KeysFromOldest() {
			known = known || strings.EqualFold(declared, name)
		}
		if !known {
			errs = append(errs, fmt.Errorf("the header %s is not documented", name))
		}
	}
	return errors.Join(errs...)
}

// isEmpty looks for a first byte, unless the length tells.
func isEmpty(res *http.Response) bool {
	if res.ContentLength >= 0 || res.Body == nil {
		return res.ContentLength <= 0
	}
	n, _ := io.ReadFull(res.Body, make([]byte, 1))
	return n == 0
}

// checkRequest judges path, query, headers, and whether there is a body.
func (v *Validator) checkRequest(m match, req *http.Request) error {
	operation := operationOf(m.item, req.Method)
	var errs []error
	for _, p := range m.item.Parameters {
		if p.In == "path" {
			found := parameters.ValidateSingleParameterSchema(p.Schema.Schema(), m.path[p.Name], "path parameter", "path parameter", p.Name, "path", "path", v.options, m.name, req.Method)
			errs = append(errs, joined(found))
		}
	}
	// The address was judged; the library would read its slashes otherwise.
	bare := *req
	bare.URL = &url.URL{Path: "/", RawQuery: req.URL.RawQuery}
	library := v.library.GetParameterValidator()
	_, found := library.ValidateQueryParamsWithPathItem(&bare, m.item, m.name)
	errs = append(errs, joined(found))
	_, found = library.ValidateHeaderParamsWithPathItem(&bare, m.item, m.name)
	errs = append(errs, joined(found))
	switch body := operation.RequestBody; {
	case body == nil && req.ContentLength != 0:
		errs = append(errs, errors.New("it took a body, and none is documented"))
	case body != nil && body.Required != nil && *body.Required && req.ContentLength == 0:
		errs = append(errs, errors.New("it took no body, and one is required"))
	}
	return errors.Join(errs...)
}

// joined makes one error of the library's.
func joined(found []*liberrors.ValidationError) error {
	errs := make([]error, len(found))
	for i, e := range found {
		text := e.Message + ": " + e.Reason
		for _, s := range e.SchemaValidationErrors {
			text += fmt.Sprintf("; %s: %s", s.FieldPath, s.Reason)
		}
		errs[i] = errors.New(text)
	}
	return errors.Join(errs...)
}

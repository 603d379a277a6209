package dataplane

import (
	"errors"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/iotfile-operator/iotfile-operator/internal/connlimit"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/content"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi"
	"github.com/iotfile-operator/iotfile-operator/internal/digest"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// serve routes one request. Whatever can be refused is refused before the body is touched.
func (s *Server) serve(c *call, r *http.Request) error {
	if r.URL.EscapedPath() == openapi.Path {
		return s.describeAPI(c, r)
	}
	namespace, rest, ok := splitBase(r.URL.EscapedPath())
	if !ok {
		return errNoRoute()
	}
	if err := checkHost(&s.opts, r.Host); err != nil {
		return err
	}
	caller, err := s.opts.Authenticator.Authenticate(r)
	switch {
	case errors.Is(err, identity.ErrUnauthenticated):
		return err
	case err != nil:
		return apierror.Unavailable("the token cannot be checked now: send the request again", apierror.RetryShort).Because(err)
	}
	connlimit.Known(r.Context())
	c.identity = caller
	if s.opts.Version != "" { // for callers that are known: strangers would look up its faults
		c.response.Header().Set("X-Operator-Version", s.opts.Version)
	}
	if c.route, err = parseRoute(r.Method, rest, r.URL.RawQuery); err != nil {
		return err
	}
	named := namespace
	if namespace == "" {
		namespace = caller.Namespace
	}
	if len(validation.IsDNS1123Label(namespace)) > 0 {
		return apierror.BadRequest("the namespace is not a DNS label: name yours in the path, as in /namespaces/NAME" + basePath)
	}
	c.file = upload.File{Namespace: namespace, EntityID: c.route.entity, Path: c.route.path}
	if err := validate(c.file, c.route.op); err != nil {
		return apierror.BadRequest(err.Error())
	}
	c.location = locationOf(named, c.file)
	if err := c.readHeader(r.Header); err != nil {
		return err
	}
	// Before anything is looked up: whoever may not see the file learns nothing, not even from the
	// time that a refusal takes.
	if err := s.authorize(r.Context(), c); err != nil {
		return err
	}
	if err := c.readDigests(r.Header); err != nil {
		return apierror.BadRequest(err.Error())
	}
	return s.handle(c, r)
}

// readHeader reads what the header of a request says of the file that it writes, and refuses what
// it says of the body that cannot be done.
func (c *call) readHeader(h http.Header) (err error) {
	if c.route.op != opDownload && c.route.op != opSearch { // reads have conditions of their own
		if c.ifMatch, err = upload.ParseIfMatch(strings.Join(h.Values("If-Match"), ",")); err != nil {
			return apierror.BadRequest(err.Error())
		}
	}
	if c.conditions, err = writeConditions(c.route.op, h); err != nil {
		return err
	}
	switch c.route.op {
	case opStart, opPart, opComplete, opAbort, opPut:
		return content.CheckBody(h)
	default:
		return nil
	}
}

// readDigests reads what the client announces of a body that is to be stored. That of no bytes is
// compared at once: nothing will be read.
func (c *call) readDigests(h http.Header) (err error) {
	switch c.route.op {
	case opPart, opComplete, opPut:
	default:
		return nil
	}
	c.digests, err = digest.Of(h)
	if err == nil && c.digests != nil && c.body.Length() == 0 {
		err = c.digests.Check()
	}
	return err
}

// describeAPI serves the description of the API, to anybody: it says nothing of who uses it.
func (s *Server) describeAPI(c *call, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return apierror.Method("GET, HEAD", "the description of the API can only be read")
	}
	c.route.op = opOpenAPI
	_ = openapi.Serve(c.response, r) // fails if the client is gone
	return nil
}

// validate checks the entity, and the path where there is one.
func validate(file upload.File, op operation) error {
	if op == opSearch {
		file.Path = "any"
	}
	return file.Validate()
}

func (s *Server) dispatch(c *call, r *http.Request) error {
	if c.route.op == opStart || c.route.op == opAbort {
		if err := c.body.ExpectNone(); err != nil {
			return err
		}
	}
	switch c.route.op {
	case opStart:
		return s.start(c, r)
	case opPart:
		return s.part(c, r)
	case opComplete:
		return s.complete(c, r)
	case opAbort:
		return s.abort(c, r)
	case opParts:
		return s.listParts(c, r)
	case opPut:
		return s.putFile(c, r)
	case opDelete:
		return s.deleteFile(c, r)
	case opSearch:
		return s.search(c, r)
	default:
		return s.download(c, r)
	}
}

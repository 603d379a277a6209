package dataplane

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// operation is what a request asks for. It is the route label of metrics and log lines.
type operation string

const (
	opStart    operation = "start"
	opPart     operation = "part"
	opComplete operation = "complete"
	opAbort    operation = "abort"
	opParts    operation = "fileslist"
	opDownload operation = "download"
	opPut      operation = "put"
	opDelete   operation = "delete"
	opSearch   operation = "search"
	opOpenAPI  operation = "openapi"
	opNone     operation = "none"
)

// route is what a request's path and query say.
type route struct {
	op operation
	// entity and path, decoded, not yet validated.
	entity, path string
	// part is the value of the query parameter, not yet parsed: its limit depends on the store.
	part string
}

const (
	basePath         = "/api/iotfile/v3/"
	namespacesPrefix = "/namespaces/"
)

// splitBase takes the base path off an escaped path and returns the namespace that it names, if
// any, and the escaped rest. ok is false for paths that are not of this API.
func splitBase(escaped string) (namespace, rest string, ok bool) {
	if after, found := strings.CutPrefix(escaped, namespacesPrefix); found {
		segment, tail, _ := strings.Cut(after, "/")
		decoded, err := url.PathUnescape(segment)
		if err != nil || decoded == "" {
			return "", "", false
		}
		namespace, escaped = decoded, "/"+tail
	}
	rest, ok = strings.CutPrefix(escaped, basePath)
	return namespace, rest, ok
}

// parseRoute reads what follows the base path, and the query. Errors are for the client.
func parseRoute(method, rest, rawQuery string) (route, error) {
	collection, tail, _ := strings.Cut(rest, "/")
	switch collection {
	case "files", "fileslist", "filelist", "fileList":
	default:
		return route{op: opNone}, errNoRoute()
	}
	entity, escapedPath, hasPath := strings.Cut(tail, "/")
	rt := route{op: opNone}
	var err error
	if rt.entity, err = decode(entity); err != nil {
		return rt, err
	}
	if strings.Contains(rt.entity, "/") {
		return rt, apierror.BadRequest("the entityId holds an encoded slash: write the slash behind it as it is")
	}
	if !hasPath && collection == "files" {
		return routeEntity(rt, method)
	}
	if rt.path, err = decode(escapedPath); err != nil {
		return rt, err
	}
	if collection != "files" {
		return routeParts(rt, method)
	}
	return routeFile(rt, method, rawQuery)
}

func routeParts(rt route, method string) (route, error) {
	if method != http.MethodGet && method != http.MethodHead {
		return rt, apierror.Method("GET, HEAD", "the list of parts can only be read")
	}
	rt.op = opParts
	return rt, nil
}

func routeEntity(rt route, method string) (route, error) {
	if method != http.MethodGet && method != http.MethodHead {
		return rt, apierror.Method("GET, HEAD", "an entity can only be searched, with GET: name a file behind the entityId to write or delete it")
	}
	rt.op = opSearch
	return rt, nil
}

func routeFile(rt route, method, rawQuery string) (route, error) {
	switch method {
	case http.MethodGet, http.MethodHead:
		rt.op = opDownload
		return rt, nil
	case http.MethodPut:
		return routePut(rt, rawQuery)
	case http.MethodDelete:
		if rawQuery != "" {
			// An S3 client ends an upload so. Whoever means that is not to lose the file.
			return rt, apierror.BadRequest("a DELETE takes no query parameter, and would delete the whole file: to end an upload, send PUT with upload=abort")
		}
		rt.op = opDelete
		return rt, nil
	default:
		return rt, apierror.Method("GET, HEAD, PUT, DELETE", "files are read with GET and HEAD, written with PUT and deleted with DELETE")
	}
}

func routePut(rt route, rawQuery string) (route, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return rt, apierror.BadRequest("the query cannot be read: percent-encode it")
	}
	parts, uploads := query["part"], query["upload"]
	delete(query, "part")
	delete(query, "upload")
	switch {
	case len(query) > 0:
		// Such as Part=1, or what S3 clients send: taken for a simple upload, it would put a piece
		// in the place of the file.
		return rt, apierror.BadRequest("a PUT takes no query parameter but part and upload, written in lower case: send no others")
	case len(parts)+len(uploads) == 0:
		rt.op = opPut
		return rt, nil
	case len(parts) > 0 && len(uploads) > 0:
		return rt, apierror.BadRequest("part and upload cannot stand together: send one of them")
	case len(parts)+len(uploads) > 1:
		return rt, apierror.BadRequest("part or upload is given more than once: send it once")
	case len(parts) == 1:
		rt.op, rt.part = opPart, parts[0]
		return rt, nil
	}
	switch uploads[0] {
	case "start":
		rt.op = opStart
	case "complete":
		rt.op = opComplete
	case "abort":
		rt.op = opAbort
	default:
		return rt, apierror.BadRequest("upload must be start, complete or abort")
	}
	return rt, nil
}

// decode takes the percent-encoding off, once. In the path of a file %2F is a slash, since clients
// that are generated from a description of the API can send no other: what is decoded is validated,
// so that it makes no difference how it was written.
func decode(escaped string) (string, error) {
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return "", apierror.BadRequest("the path is not percent-encoded correctly")
	}
	return decoded, nil
}

// errNoRoute answers for a path that is not of this API.
func errNoRoute() error {
	return apierror.NotFound("no such resource: the API is " + basePath + "files/{entityId}/{filepath} and " + basePath + "fileslist/{entityId}/{filepath}")
}

// locationOf is the path of the file's URL, written in the one canonical way, below the namespace
// where the request names one.
func locationOf(namespace string, file upload.File) string {
	path := basePath + "files/" + file.EntityID + "/" + file.Path
	if namespace != "" {
		path = namespacesPrefix + namespace + path
	}
	return (&url.URL{Path: path}).EscapedPath()
}

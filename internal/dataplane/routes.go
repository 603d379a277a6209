package dataplane

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
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

// splitBase takes the base path off an escaped path and returns the namespace that it names, if any, and the escaped rest. ok is false for paths that are
// not of this API.
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
	if rt.entity, err = decodeSegment(entity); err != nil {
		return rt, err
	}
	if !hasPath && collection == "files" {
		return routeEntity(rt, method)
	}
	if rt.path, err = decodePath(escapedPath); err != nil {
		return rt, err
	}
	if collection != "files" {
		return routeParts(rt, method)
	}
	return routeFile(rt, method, rawQuery)
}

func routeParts(rt route, method string) (route, error) {
	if method != http.MethodGet && method != http.MethodHead {
		return rt, errMethod("GET, HEAD", "the list of parts can only be read")
	}
	rt.op = opParts
	return rt, nil
}

func routeEntity(rt route, method string) (route, error) {
	if method != http.MethodGet && method != http.MethodHead {
		return rt, errMethod("GET, HEAD", "an entity can only be searched, with GET: name a file behind the entityId to write or delete it")
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
		rt.op = opDelete
		return rt, nil
	default:
		return rt, errMethod("GET, HEAD, PUT, DELETE", "files are read with GET and HEAD, written with PUT and deleted with DELETE")
	}
}

func routePut(rt route, rawQuery string) (route, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return rt, errBadRequest("the query cannot be read: percent-encode it")
	}
	parts, uploads := query["part"], query["upload"]
	switch {
	case len(parts)+len(uploads) == 0:
		rt.op = opPut
		return rt, nil
	case len(parts) > 0 && len(uploads) > 0:
		return rt, errBadRequest("part and upload cannot stand together: send one of them")
	case len(parts)+len(uploads) > 1:
		return rt, errBadRequest("part or upload is given more than once: send it once")
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
		return rt, errBadRequest("upload must be start, complete or abort")
	}
	return rt, nil
}

// decodePath decodes each segment by itself, so that what it says cannot depend on what else is encoded.
func decodePath(escaped string) (string, error) {
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		decoded, err := decodeSegment(s)
		if err != nil {
			return "", err
		}
		segments[i] = decoded
	}
	return strings.Join(segments, "/"), nil
}

// decodeSegment refuses an encoded slash: object storage cannot tell "a%2Fb" from "a/b", so taking it would give one file two names.
func decodeSegment(escaped string) (string, error) {
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return "", errBadRequest("the path is not percent-encoded correctly")
	}
	if strings.Contains(decoded, "/") {
		return "", errBadRequest(fmt.Sprintf("the path holds an encoded slash (%%2F): write the slash itself, %q and %q cannot be two files", "a%2Fb", "a/b"))
	}
	return decoded, nil
}

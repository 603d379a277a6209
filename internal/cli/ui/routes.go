package ui

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const apiPath = "/api/iotfile/v3/"

var entityID = regexp.MustCompile(`^[a-f0-9]{32}$`)

// apiRoute is a request to the REST API that the page may send.
type apiRoute struct {
	// path is the escaped one, from /api on; namespace the escaped one that it names, "" for none.
	namespace, path string
	query           url.Values
	// file is set where the answer to a GET is a file, preview where it is to be shown.
	file, preview bool
}

// readRoute reads the request. It is not ok where the page sends no such.
func readRoute(r *http.Request) (to apiRoute, ok bool) {
	rest, ok := to.readPath(r.URL.EscapedPath())
	var err error
	if to.query, err = url.ParseQuery(r.URL.RawQuery); err != nil || !ok {
		return to, false
	}
	collection, rest, _ := strings.Cut(rest, "/")
	entity, path, hasPath := strings.Cut(rest, "/")
	switch {
	case !entityID.MatchString(entity) || !plain(path):
		return to, false
	case collection == "fileslist" && path != "":
		return to, reads(r) && to.only()
	case collection == "files" && !hasPath:
		return to, reads(r) && to.only("filter", "order", "limit", "offset", "count")
	case collection == "files" && path != "":
		return to, to.readFile(r.Method)
	}
	return to, false
}

// readPath reads what stands before the collection, and returns the rest.
func (to *apiRoute) readPath(escaped string) (rest string, ok bool) {
	to.path = escaped
	if after, found := strings.CutPrefix(escaped, "/namespaces/"); found {
		to.namespace, rest, _ = strings.Cut(after, "/")
		to.path = "/" + rest
		if name, ok := segments(to.namespace, 1); !ok || strings.Contains(name[0], "/") || dots(name[0]) {
			return "", false
		}
	}
	return strings.CutPrefix(to.path, apiPath)
}

// readFile reads what is wanted of a file.
func (to *apiRoute) readFile(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead:
		to.file = true
		to.preview = to.query.Get("preview") == "1"
		to.query.Del("preview")
		return to.only()
	case http.MethodDelete:
		return to.only()
	case http.MethodPut:
		if to.query.Has("upload") {
			return to.only("upload") && slices.Contains([]string{"start", "complete", "abort"}, to.query.Get("upload"))
		}
		return to.only("part")
	}
	return false
}

// only reports whether the query has no other parameters, and each once.
func (to *apiRoute) only(names ...string) bool {
	for name, values := range to.query {
		if len(values) != 1 || !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// plain reports whether no segment of an escaped path leads elsewhere: a hop before the REST API
// might follow it.
func plain(escaped string) bool {
	path, err := url.PathUnescape(escaped)
	return err == nil && !slices.ContainsFunc(strings.Split(path, "/"), dots) && !strings.Contains(path, `\`)
}

func dots(segment string) bool { return segment == "." || segment == ".." }

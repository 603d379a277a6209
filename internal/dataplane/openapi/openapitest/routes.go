package openapitest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/pb33f/go-yaml"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// anythingElse names the path item of what matches no other.
const anythingElse = "anythingElse"

// route is a path item, and which requests it stands for.
type route struct {
	name    string
	item    *v3.PathItem
	address *regexp.Regexp
	// variants are told apart by the query; the item itself stands for what none of them takes.
	variants []variant
}

// variant is a path item for the requests that have one query parameter, with one value if one is
// given. Without a key it is for those that have none of the other variants' parameters.
type variant struct {
	name       string
	item       *v3.PathItem
	key, value string
}

// match is what a request was found to be.
type match struct {
	name string
	item *v3.PathItem
	// path holds the path parameters, decoded.
	path map[string]string
}

// readRoutes reads all paths of the document.
func readRoutes(doc *v3.Document) ([]route, error) {
	var routes []route
	for template, item := range doc.Paths.PathItems.FromOldest() {
		servers := item.Servers
		if len(servers) == 0 {
			servers = doc.Servers
		}
		address, err := addressOf(servers, template, item)
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", template, err)
		}
		r := route{name: template, item: item, address: address}
		for name, other := range doc.Components.PathItems.FromOldest() {
			if extension(other.Extensions.GetOrZero("x-path")) != template {
				continue
			}
			key, value, _ := strings.Cut(extension(other.Extensions.GetOrZero("x-of-query")), "=")
			r.variants = append(r.variants, variant{name: name, item: other, key: key, value: value})
		}
		routes = append(routes, r)
	}
	return routes, nil
}

var placeholder = regexp.MustCompile(`\{([A-Za-z]+)\}`)

// addressOf makes the expression that matches the escaped path of a URL.
func addressOf(servers []*v3.Server, template string, item *v3.PathItem) (*regexp.Regexp, error) {
	if len(servers) == 0 {
		return nil, errors.New("there is no server")
	}
	bases := make([]string, len(servers))
	for i, s := range servers {
		bases[i] = placeholder.ReplaceAllString(strings.TrimSuffix(s.URL, "/"), `[^/]+`)
	}
	parameters := placeholder.ReplaceAllStringFunc(template, func(p string) string {
		name := strings.Trim(p, "{}")
		if spans(item, name) {
			return "(?P<" + name + ">.+)"
		}
		return "(?P<" + name + ">[^/]+)"
	})
	return regexp.Compile("^(?:" + strings.Join(bases, "|") + ")" + parameters + "$")
}

func spans(item *v3.PathItem, parameter string) bool {
	for _, p := range item.Parameters {
		if p.Name == parameter && p.Extensions != nil {
			return extension(p.Extensions.GetOrZero("x-spans-segments")) == "true"
		}
	}
	return false
}

func extension(node *yaml.Node) string {
	if node == nil {
		return ""
	}
	return node.Value
}

// find finds what the document says of a request. There is always something.
func (v *Validator) find(req *http.Request) match {
	escaped := req.URL.EscapedPath()
	for _, r := range v.routes {
		found := r.address.FindStringSubmatch(escaped)
		if found == nil || operationOf(r.item, req.Method) == nil {
			continue
		}
		m := match{name: r.name, item: r.item, path: map[string]string{}}
		for i, name := range r.address.SubexpNames() {
			if name == "" {
				continue
			}
			if decoded, err := url.PathUnescape(found[i]); err == nil {
				m.path[name] = decoded
			}
		}
		if chosen := r.choose(req); chosen != nil {
			m.name, m.item = chosen.name, chosen.item
		}
		return m
	}
	return match{name: anythingElse, item: v.doc.Components.PathItems.GetOrZero(anythingElse)}
}

// choose returns the variant that the query tells, nil if it tells none or is contradictory.
func (r *route) choose(req *http.Request) *variant {
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return nil
	}
	given := map[string]bool{}
	for _, v := range r.variants {
		if len(query[v.key]) > 1 {
			return nil
		}
		if query.Has(v.key) {
			given[v.key] = true
		}
	}
	if len(given) > 1 {
		return nil
	}
	for i, v := range r.variants {
		switch {
		case operationOf(v.item, req.Method) == nil:
		case v.key == "" && len(given) == 0, given[v.key] && (v.value == "" || v.value == query.Get(v.key)):
			return &r.variants[i]
		}
	}
	return nil
}

// operationOf returns what the item says of a method, nil if nothing.
func operationOf(item *v3.PathItem, method string) *v3.Operation {
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodHead:
		if item.Head == nil {
			return item.Get
		}
		return item.Head
	case http.MethodPut:
		return item.Put
	case http.MethodDelete:
		return item.Delete
	case http.MethodPost:
		return item.Post
	default:
		return nil
	}
}

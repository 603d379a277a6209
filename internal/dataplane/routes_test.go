package dataplane

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

const testEntity = "0123456789abcdef0123456789abcdef"

func TestSplitBase(t *testing.T) {
	for _, tt := range []struct {
		path, namespace, rest string
		ok                    bool
	}{
		{"/api/iotfile/v3/files/x", "", "files/x", true},
		{"/namespaces/a/api/iotfile/v3/files/x", "a", "files/x", true},
		{"/namespaces/a%2Db/api/iotfile/v3/files/x", "a-b", "files/x", true},
		{"/namespaces//api/iotfile/v3/files/x", "", "", false},
		{"/namespaces/a", "", "", false},
		{"/api/iotfile/v4/files/x", "", "", false},
		{"//api/iotfile/v3/files/x", "", "", false},
		{"/api/iotfile/v3", "", "", false},
		{"*", "", "", false},
		{"", "", "", false},
	} {
		namespace, rest, ok := splitBase(tt.path)
		if ok != tt.ok || (ok && (namespace != tt.namespace || rest != tt.rest)) {
			t.Errorf("splitBase(%q) = %q, %q, %v", tt.path, namespace, rest, ok)
		}
	}
}

func TestParseRoute(t *testing.T) {
	file := "files/" + testEntity + "/"
	for _, tt := range []struct {
		method, rest, query string
		op                  operation
		path                string
		status              int
		message             string
	}{
		{"PUT", file + "a", "upload=start", opStart, "a", 0, ""},
		{"PUT", file + "a/b", "part=7", opPart, "a/b", 0, ""},
		{"PUT", file + "a%20b/%C3%A4+c", "upload=complete", opComplete, "a b/ä+c", 0, ""},
		{"PUT", file + "a", "upload=abort", opAbort, "a", 0, ""},
		{"PUT", file + "a", "part=", opPart, "a", 0, ""},
		{"PUT", file + "a%2Fb%2fc/d%252F%25", "", opPut, "a/b/c/d%2F%", 0, ""},
		{"PUT", file + "a", "other=1&part=", "", "", 400, "query parameter"},
		{"PUT", file + "a", "Part=1", "", "", 400, "query parameter"},
		{"DELETE", file + "a", "uploadId=x", "", "", 400, "upload=abort"},
		{"GET", file + "a", "part=1", opDownload, "a", 0, ""},
		{"HEAD", file + "a", "", opDownload, "a", 0, ""},
		{"PUT", file + "a", "", opPut, "a", 0, ""},
		{"DELETE", file + "a", "", opDelete, "a", 0, ""},
		{"GET", "files/" + testEntity, "limit=1", opSearch, "", 0, ""},
		{"HEAD", "files/" + testEntity, "", opSearch, "", 0, ""},
		{"GET", "fileslist/" + testEntity + "/a", "", opParts, "a", 0, ""},
		{"GET", "filelist/" + testEntity + "/a", "", opParts, "a", 0, ""},
		{"HEAD", "fileList/" + testEntity + "/a", "", opParts, "a", 0, ""},
		{"GET", "fileslist", "", "", "", 0, ""}, // the empty entity is refused by the domain
		{"PUT", file + "a", "upload=start&part=1", "", "", 400, "cannot stand together"},
		{"PUT", file + "a", "part=1&part=2", "", "", 400, "more than once"},
		{"PUT", file + "a", "upload=start&upload=start", "", "", 400, "more than once"},
		{"PUT", file + "a", "upload=Start", "", "", 400, "start, complete or abort"},
		{"PUT", file + "a", "upload=%zz", "", "", 400, "query"},
		{"PUT", file + "a%zz", "upload=start", "", "", 400, "percent-encoded"},
		{"PUT", "files/" + testEntity, "", "", "", 405, "searched"},
		{"DELETE", "files/" + testEntity, "", "", "", 405, "searched"},
		{"POST", file + "a", "", "", "", 405, "GET and HEAD"},
		{"PUT", "fileslist/" + testEntity + "/a", "", "", "", 405, "only be read"},
		{"GET", "other/" + testEntity + "/a", "", "", "", 404, "no such resource"},
		{"GET", "", "", "", "", 404, "no such resource"},
	} {
		rt, err := parseRoute(tt.method, tt.rest, tt.query)
		var refused *apierror.Error
		switch {
		case tt.status != 0:
			if !errors.As(err, &refused) || refused.Status != tt.status || !strings.Contains(refused.Message, tt.message) {
				t.Errorf("%s %s?%s: %v, want %d %q", tt.method, tt.rest, tt.query, err, tt.status, tt.message)
			}
		case err != nil || (tt.op != "" && (rt.op != tt.op || rt.path != tt.path || rt.entity != testEntity)):
			t.Errorf("%s %s?%s: %+v, %v", tt.method, tt.rest, tt.query, rt, err)
		}
	}
}

// FuzzParseRoute: no input makes it panic, and what it and the domain accept is one clean path,
// whose canonical address leads back to it.
func FuzzParseRoute(f *testing.F) {
	f.Add("PUT", "/api/iotfile/v3/files/"+testEntity+"/a/b", "upload=start")
	f.Add("GET", "/namespaces/x/api/iotfile/v3/fileslist/"+testEntity+"/a%2e%2e/%2E%2E/b", "")
	f.Add("PUT", "/api/iotfile/v3/files/"+testEntity+"//x", "part=1&upload=start")
	f.Add("PUT", "/api/iotfile/v3/files/"+testEntity+"/a%00%2F%5c", "part=%31")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		_, rest, ok := splitBase(path)
		if !ok {
			return
		}
		rt, err := parseRoute(method, rest, query)
		if err != nil {
			var refused *apierror.Error
			if !errors.As(err, &refused) || refused.Status < 400 || refused.Status >= 500 {
				t.Fatalf("%q: %v is not a refusal", path, err)
			}
			return
		}
		if rt.op == opNone || rt.op == "" {
			t.Fatalf("%q: accepted without an operation", path)
		}
		file := upload.File{Namespace: "ns", EntityID: rt.entity, Path: rt.path}
		if file.Validate() != nil {
			return
		}
		if !utf8.ValidString(rt.path) || strings.Contains(rt.path, "//") || strings.HasPrefix(rt.path, "/") ||
			strings.HasSuffix(rt.path, "/") || strings.Contains("/"+rt.path+"/", "/../") || strings.ContainsRune(rt.path, 0) {
			t.Fatalf("%q: accepted as %q", path, rt.path)
		}
		if slashes := strings.Count(rest, "/") + strings.Count(strings.ToLower(rest), "%2f"); slashes-2 != strings.Count(rt.path, "/") {
			t.Fatalf("%q: %q has other slashes", path, rt.path)
		}
		// The canonical address leads to the same file, and back to itself.
		if !strings.HasPrefix(rest, "files/") {
			return
		}
		_, again, _ := splitBase(locationOf("", file))
		back, err := parseRoute(method, again, query)
		if err != nil || back.path != rt.path || locationOf("", file) != locationOf("", upload.File{EntityID: back.entity, Path: back.path}) {
			t.Fatalf("%q: %q has the address %q, which is of %q, %v", path, rt.path, locationOf("", file), back.path, err)
		}
	})
}

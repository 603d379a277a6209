package ui

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzRoute sends nothing to the REST API that leads elsewhere, however a hop before it reads the
// path.
func FuzzRoute(f *testing.F) {
	for _, target := range []string{
		files, files + "/a/b", files + "/a?part=1", "/namespaces/a" + files + "/x", files + "/..%2f..", files + "/%2e%2e/%252e", files + "/a//b", "/namespaces/..%2f" + files,
		files + "/a?preview=1&upload=start", files + `/a\..\b`, "/namespaces/%2e" + files,
	} {
		f.Add(http.MethodGet, target)
		f.Add(http.MethodPut, target)
	}
	api := &API{Server: "https://files.example.com/behind/", Namespace: "own"}
	f.Fuzz(func(t *testing.T, method, target string) {
		address, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		to, ok := readRoute(&http.Request{Method: method, URL: address})
		if !ok {
			return
		}
		sent, err := to.url(api)
		if err != nil {
			return
		}
		for _, text := range []string{sent.Path, sent.EscapedPath(), strings.ReplaceAll(sent.Path, `\`, "/")} {
			rest, ok := strings.CutPrefix(path.Clean(text), "/behind/namespaces/")
			_, rest, _ = strings.Cut(rest, "/")
			if !ok || !strings.HasPrefix(rest, "api/iotfile/v3/files/"+entity) && !entityID.MatchString(strings.Split(rest+"////", "/")[4]) {
				t.Errorf("%s %s leads to %s", method, target, text)
			}
		}
		if sent.Host != "files.example.com" || sent.Fragment != "" || sent.User != nil {
			t.Errorf("%s leads to %s", target, sent)
		}
		for name := range sent.Query() {
			if name == "preview" {
				t.Errorf("%s is sent as %s", target, sent)
			}
		}
	})
}

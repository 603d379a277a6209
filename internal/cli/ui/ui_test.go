package ui

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// token is the one that no browser may see.
	token  = "the-token-that-nobody-sees"
	entity = "0123456789abcdef0123456789abcdef"
	files  = "/api/iotfile/v3/files/" + entity
)

var testPage = fstest.MapFS{
	"index.html": {Data: []byte("<!doctype html>hello")}, "app.js": {Data: []byte("export {}")}, "page.go": {Data: []byte("package page")},
}

type staticToken string

func (t staticToken) Token(context.Context) (string, error) { return string(t), nil }

// fixture is a server of the page, and what stands behind it.
type fixture struct {
	*Server
	t *testing.T
}

// serve serves a page between a REST API and a Kubernetes API, nil for none.
func serve(t *testing.T, api, kube http.Handler) *fixture {
	t.Helper()
	o := Options{
		Page: testPage,
		API:  func(context.Context) (*API, error) { return nil, syscall.ECONNREFUSED },
		Info: Info{Version: "1.2.3", Context: "here", Namespace: "team-a", Entity: entity},
	}
	if api != nil {
		server := httptest.NewServer(api)
		t.Cleanup(server.Close)
		transport := &http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Minute}
		t.Cleanup(transport.CloseIdleConnections)
		o.API = func(context.Context) (*API, error) {
			return &API{Server: server.URL, Caller: "system:serviceaccount:team-b:app", TokenFrom: "a test", Token: staticToken(token), Transport: transport}, nil
		}
	}
	if kube != nil {
		server := httptest.NewServer(kube)
		t.Cleanup(server.Close)
		o.Kube = &rest.Config{Host: server.URL, BearerToken: token}
	}
	return start(t, o)
}

func start(t *testing.T, o Options) *fixture {
	t.Helper()
	s, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &fixture{s, t}
}

// browser is one that has followed a link.
type browser struct {
	*fixture
	cookie string
}

func (f *fixture) browser() *browser {
	f.t.Helper()
	answer := (&browser{fixture: f}).ask(http.MethodGet, strings.TrimPrefix(f.Link(), "http://"+f.host), nil)
	cookies := answer.Cookies()
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(cookies) != 1 {
		f.t.Fatalf("a link is answered with %d, %v", answer.StatusCode, answer.Header)
	}
	return &browser{f, cookies[0].Name + "=" + cookies[0].Value}
}

// answered is an answer that was read.
type answered struct {
	*http.Response
	body []byte
}

// ask sends a request with headers, and reads the answer, in which there must be no token.
func (b *browser) ask(method, path string, body io.Reader, header ...string) *answered {
	b.t.Helper()
	response := b.open(method, path, body, header...)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	var head bytes.Buffer
	_ = response.Header.Write(&head)
	if strings.Contains(head.String()+string(data), token) {
		b.t.Errorf("%s %s: the token is in the answer:\n%s\n%s", method, path, &head, data)
	}
	return &answered{response, data}
}

func (b *browser) open(method, path string, body io.Reader, header ...string) *http.Response {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+b.host+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.cookie != "" {
		request.Header.Set("Cookie", b.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
			continue
		}
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response
}

// is compares a status.
func (a *answered) is(t *testing.T, status int, says ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s %s: %d, not %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.body)
	}
	for _, text := range says {
		if !strings.Contains(string(a.body), text) {
			t.Errorf("%s %s: %q is not in %s", a.Request.Method, a.Request.URL, text, a.body)
		}
	}
}

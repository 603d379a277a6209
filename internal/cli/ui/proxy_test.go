package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRoutes sends on what the page needs, as it is written, and nothing else.
func TestRoutes(t *testing.T) {
	var got atomic.Value
	in := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Method + " " + r.RequestURI) }), nil).browser()
	parts := strings.Replace(files, "/files/", "/fileslist/", 1)
	for _, request := range []string{
		"GET " + files, "GET " + files + "?filter=path+eq+%27a%2A%27&limit=10", "HEAD " + files, "GET " + files + "/a/b.txt", "HEAD " + files + "/a%2Fb%20c%3F.txt",
		"GET " + files + "//x", "GET " + files + "/a//b", "DELETE " + files + "/a", "PUT " + files + "/a", "PUT " + files + "/a?part=3", "PUT " + files + "/a?upload=start",
		"PUT " + files + "/a?upload=complete", "PUT " + files + "/a?upload=abort", "GET " + parts + "/a/b", "GET /namespaces/team-a" + files + "/a", "GET /namespaces/team-a" + parts + "/a",
	} {
		method, path, _ := strings.Cut(request, " ")
		in.ask(method, path, nil).is(t, http.StatusOK)
		if got.Swap("") != request {
			t.Errorf("%s comes as %v", request, got.Load())
		}
	}
	got.Store("")
	for _, request := range []string{
		"POST " + files, "PUT " + files, "DELETE " + files, "PATCH " + files + "/a", "OPTIONS " + files + "/a", "GET " + files + "?other=1", "GET " + files + "/a?x=1",
		"DELETE " + files + "/a?uploadId=1", "PUT " + files + "/a?upload=stop", "PUT " + files + "/a?part=1&upload=start", "PUT " + files + "/a?part=1&part=2", "PUT " + files + "/a?Part=1",
		"PUT " + parts + "/a", "GET " + parts, "GET /api/iotfile/v3/files/ABC/a", "GET /api/iotfile/v3/other/" + entity, "GET /api/iotfile/v2/files/" + entity, "GET /api/other",
		"GET /namespaces/team-a", "GET /namespaces/team-a/api/other", "GET /namespaces//api/iotfile/v3/files/" + entity, "GET /namespaces/%2e%2e" + files, "GET /namespaces/a%2fb" + files,
		"GET " + files + "/a/../b", "GET " + files + "/a/%2e%2e/b", "GET " + files + "/..%2fb", "GET " + files + `/a%5c..%5cb`, "GET /openapi.yaml", "GET " + files + "/a?%zz",
	} {
		method, path, _ := strings.Cut(request, " ")
		in.ask(method, path, nil)
		if got.Load() != "" {
			t.Errorf("%s comes as %v", request, got.Swap(""))
		}
		if method != http.MethodHead {
			in.ask(method, path, nil).is(t, http.StatusNotFound, `{"message":`)
		}
	}
}

// TestHeaders passes what the two sides have to say, and keeps the rest.
func TestHeaders(t *testing.T) {
	var got http.Header
	in := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		for name, value := range map[string]string{
			"Set-Cookie": "iotfile=1", "X-Echo": r.Header.Get("Authorization"), "Access-Control-Allow-Origin": "*", "Clear-Site-Data": `"*"`, "Refresh": "0; url=//evil", "WWW-Authenticate": "Basic",
			"Service-Worker-Allowed": "/", "Content-Security-Policy": "default-src *", "Retry-After": "7", "X-Request-Id": "an-id", "ETag": "3", "X-Part-Size-Min": "5", "Cache-Control": "private, max-age=60",
		} {
			w.Header().Set(name, value)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"later"}`)
	}), nil).browser()
	answer := in.ask(http.MethodPut, files+"/a?upload=start", nil, "Origin", "http://"+in.host, "Referer", "http://"+in.host+"/", "Authorization", "Bearer mine", "Cache-Control", "no-cache",
		"X-Forwarded-For", "1.2.3.4", "Accept-Encoding", "gzip", "If-Match", "3", "X-File-Size", "10", "type", "text/plain", "description", "words", "Idempotency-Key", "k", "Sec-Fetch-Site", "same-origin")
	answer.is(t, http.StatusTooManyRequests, `{"message":"later"}`)
	for name, want := range map[string]string{
		"Authorization": "Bearer " + token, "If-Match": "3", "X-File-Size": "10", "Type": "text/plain", "Description": "words", "Idempotency-Key": "k",
		"Cookie": "", "Origin": "", "Referer": "", "Cache-Control": "", "X-Forwarded-For": "", "Sec-Fetch-Site": "", "Accept-Encoding": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s comes as %q, not %q", name, got.Get(name), want)
		}
	}
	for name, want := range map[string]string{
		"Retry-After": "7", "X-Request-Id": "an-id", "ETag": "3", "X-Part-Size-Min": "5", "Content-Security-Policy": sandbox, "Cache-Control": "no-store", "Set-Cookie": "", "X-Echo": "",
		"Access-Control-Allow-Origin": "", "Clear-Site-Data": "", "Refresh": "", "WWW-Authenticate": "", "Service-Worker-Allowed": "", "X-Content-Type-Options": "nosniff",
	} {
		if values := answer.Header.Values(name); strings.Join(values, "|") != want {
			t.Errorf("%s is answered as %q, not %q", name, values, want)
		}
	}
}

// TestFiles has files saved, and shows those that cannot do harm.
func TestFiles(t *testing.T) {
	in := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			t.Errorf("the query is %s", r.URL.RawQuery)
		}
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		w.Header().Set("Content-Disposition", `inline; filename="a b.html"`)
		_, _ = io.WriteString(w, "<script>alert(1)</script>")
	}), nil).browser()
	for mediaType, shownAs := range map[string]string{
		"text/plain": "text/plain; charset=utf-8", "text/plain; charset=utf-16": "text/plain; charset=utf-8", "image/png": "image/png", "image/jpeg": "image/jpeg", "image/gif": "image/gif",
		"image/webp": "image/webp", "image/avif": "image/avif", "text/html": "", "image/svg+xml": "", "application/xhtml+xml": "", "text/xml": "", "application/pdf": "", "text/javascript": "",
		"application/octet-stream": "", "image/png, text/html": "", "nonsense": "", "": "",
	} {
		for _, preview := range []bool{false, true} {
			query, want := "", shownAs
			if preview {
				query = "?preview=1"
			} else {
				want = ""
			}
			answer := in.ask(http.MethodGet, files+"/x"+query, nil, "Accept", mediaType)
			answer.is(t, http.StatusOK)
			disposition := ""
			if want == "" {
				want, disposition = "application/octet-stream", `attachment; filename="a b.html"`
			}
			for name, want := range map[string]string{
				"Content-Type": want, "Content-Disposition": disposition, "X-Content-Type-Options": "nosniff",
				"Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
			} {
				if got := strings.Join(answer.Header.Values(name), "|"); got != want {
					t.Errorf("%q, preview %v: %s is %q, not %q", mediaType, preview, name, got, want)
				}
			}
		}
	}
	if got := in.ask(http.MethodHead, files+"/x", nil, "Accept", "text/html").Header.Get("Content-Type"); got != "text/html" {
		t.Errorf("HEAD says the type is %q", got)
	}
}

// TestStreams passes both bodies as they come.
func TestStreams(t *testing.T) {
	arrived := make(chan string)
	in := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "one")
			_ = http.NewResponseController(w).Flush()
			<-arrived
			_, _ = io.WriteString(w, "two")
			return
		}
		piece := make([]byte, 3)
		for range 2 {
			_, _ = io.ReadFull(r.Body, piece)
			arrived <- string(piece)
		}
	}), nil).browser()
	body, more := io.Pipe()
	go func() {
		in.ask(http.MethodPut, files+"/x?part=1", body)
		close(arrived)
	}()
	for _, piece := range []string{"one", "two"} {
		_, _ = more.Write([]byte(piece))
		if got := <-arrived; got != piece {
			t.Errorf("%q has come as %q", piece, got)
		}
	}
	_ = more.Close()
	<-arrived
	arrived = make(chan string)
	response := in.open(http.MethodGet, files+"/x", nil)
	defer func() { _ = response.Body.Close() }()
	piece := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, piece); err != nil || string(piece) != "one" {
		t.Errorf("the first piece is %q, %v", piece, err)
	}
	arrived <- ""
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "two" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

// TestRefusedBody gets the answer to a body that nobody wants, and the connection stays.
func TestRefusedBody(t *testing.T) {
	in := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"message":"no upload is open"}`)
	}), nil).browser()
	for range 3 {
		answer := in.ask(http.MethodPut, files+"/x?part=1", bytes.NewReader(make([]byte, 20<<20)))
		answer.is(t, http.StatusConflict, "no upload is open")
		if answer.Close {
			t.Error("the connection is closed")
		}
	}
}

// TestHops does not follow a redirect, and shows no page of a hop.
func TestHops(t *testing.T) {
	in := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.Method == http.MethodGet {
			http.Redirect(w, r, "https://login.example.com/", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<h1>nginx</h1>")
	}), nil).browser()
	in.ask(http.MethodGet, files+"/x", nil).is(t, http.StatusBadGateway, "redirects to another one")
	answer := in.ask(http.MethodDelete, files+"/x", nil)
	answer.is(t, http.StatusServiceUnavailable, "nginx")
	if got := answer.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("the page of a hop is %s", got)
	}
}

// TestAway opens the page when neither API is there, and finds the REST API once it is.
func TestAway(t *testing.T) {
	var found atomic.Bool
	f := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
	find := f.api.find
	f.api.find = func(ctx context.Context) (*API, error) {
		if !found.Load() {
			return nil, errors.New("there is no pod")
		}
		return find(ctx)
	}
	in := f.browser()
	in.ask(http.MethodGet, "/", nil).is(t, http.StatusOK)
	in.ask(http.MethodGet, "/info", nil).is(t, http.StatusOK, `"version":"1.2.3"`, `"namespace":"team-a"`, `"caller":""`, "there is no pod")
	in.ask(http.MethodGet, files, nil).is(t, http.StatusBadGateway, `{"message":"the REST API cannot be reached: there is no pod. kubectl iotfile doctor`)
	in.ask(http.MethodGet, "/namespaces", nil).is(t, http.StatusBadGateway, "there is no kubeconfig")
	in.ask(http.MethodPatch, "/uploads/a/b", strings.NewReader(`{"ttl":"1h"}`), "Content-Type", "application/json").is(t, http.StatusBadGateway, "there is no kubeconfig")
	found.Store(true)
	time.Sleep(findAgain)
	in.ask(http.MethodGet, files, nil).is(t, http.StatusOK)
	in.ask(http.MethodGet, "/info", nil).is(t, http.StatusOK, `"caller":"system:serviceaccount:team-b:app"`, `"namespace":"team-b"`, `"problem":""`)
}

// TestBrokenAnswer says in words what happens when the operator is killed.
func TestBrokenAnswer(t *testing.T) {
	f := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), nil)
	f.browser().ask(http.MethodPut, files+"/a.bin?part=1", strings.NewReader("part")).is(t, http.StatusBadGateway, "the connection to the REST API broke")
}

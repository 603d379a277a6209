package ui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const kinds = "/apis/iotfile.dev/v1alpha1/"

// record is an upload as an API server has it.
func record(name string, version int, more string) string {
	return fmt.Sprintf(`{"apiVersion":"iotfile.dev/v1alpha1","kind":"MultipartUpload","metadata":{"namespace":"a","name":%q,"resourceVersion":"%d","managedFields":[{"manager":"x"}]},"spec":{"path":"p%s"}}`,
		name, version, more)
}

func list(version int, next string, items ...string) string {
	return fmt.Sprintf(`{"apiVersion":"iotfile.dev/v1alpha1","kind":"MultipartUploadList","metadata":{"resourceVersion":"%d","continue":%q},"items":[%s]}`, version, next, strings.Join(items, ","))
}

func event(kind, object string) string {
	return `{"type":"` + kind + `","object":` + object + `}` + "\n"
}

func status(code int, reason, message string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Status","status":"Failure","code":%d,"reason":%q,"message":%q}`, code, reason, message)
}

// kubeAPI answers lists and watches of uploads; stores are forbidden.
type kubeAPI struct {
	list  func(w http.ResponseWriter, next string)
	watch func(w http.ResponseWriter, r *http.Request, version string)
}

func (k *kubeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	switch {
	case !strings.HasSuffix(r.URL.Path, "/multipartuploads"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, status(403, "Forbidden", "you may not list filestores"))
	case query.Get("watch") == "true":
		_ = http.NewResponseController(w).Flush()
		k.watch(w, r, query.Get("resourceVersion"))
	default:
		k.list(w, query.Get("continue"))
	}
}

// event is what a browser reads.
type line struct {
	Type, Kind, Message string
	Status              int
	Keys                []string
	Objects             []map[string]any
}

// names are those of the objects.
func (l *line) names() (names []string) {
	for _, object := range l.Objects {
		names = append(names, object["metadata"].(map[string]any)["name"].(string))
	}
	return names
}

// stream reads lines until end.
func (b *browser) stream(path string) (next func() *line, end func()) {
	b.t.Helper()
	response := b.open(http.MethodGet, path, nil)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/x-ndjson" {
		b.t.Fatalf("%s: %d, %v", path, response.StatusCode, response.Header)
	}
	b.t.Cleanup(func() { _ = response.Body.Close() })
	lines := make(chan *line)
	go func() {
		defer func() { _ = response.Body.Close() }()
		reader := bufio.NewReader(response.Body)
		for {
			text, err := reader.ReadBytes('\n')
			l := &line{}
			if err != nil || json.Unmarshal(text, l) != nil {
				return
			}
			if strings.Contains(string(text), "managedFields") {
				b.t.Errorf("%s has managedFields", text)
			}
			select {
			case lines <- l:
			case <-b.t.Context().Done():
				return
			}
		}
	}()
	return func() *line {
		b.t.Helper()
		select {
		case l := <-lines:
			return l
		case <-time.After(20 * time.Second):
			b.t.Fatal("nothing comes")
			return nil
		}
	}, func() { _ = response.Body.Close() }
}

// uploads skips what is not of uploads.
func uploads(next func() *line) func() *line {
	return func() *line {
		for {
			if l := next(); l.Kind == "uploads" {
				return l
			}
		}
	}
}

func (l *line) is(t *testing.T, want string) {
	t.Helper()
	got := l.Type
	for _, text := range append(l.names(), l.Keys...) {
		got += " " + text
	}
	if got != want {
		t.Errorf("%s (%s), not %s", got, l.Message, want)
	}
}

// TestEvents lists in pages, watches, loses its place, and lists again; the stores are forbidden
// meanwhile. A second tab sees the same.
func TestEvents(t *testing.T) {
	var lists, watching atomic.Int32
	change, expire := make(chan string), make(chan struct{})
	in := serve(t, nil, &kubeAPI{
		list: func(w http.ResponseWriter, next string) {
			switch next {
			case "":
				lists.Add(1)
				_, _ = io.WriteString(w, list(10, "more", record("one", 1, ""), record("two", 2, "")))
			case "more":
				_, _ = io.WriteString(w, list(10, "", record("three", 3, "")))
			}
		},
		watch: func(w http.ResponseWriter, r *http.Request, version string) {
			watching.Add(1)
			defer watching.Add(-1)
			if version != "10" && version != "12" {
				t.Errorf("a watch begins at %s", version)
			}
			for {
				select {
				case text := <-change:
					_, _ = io.WriteString(w, text)
				case <-expire:
					_, _ = io.WriteString(w, event("ERROR", status(410, "Expired", "too old")))
					return
				case <-r.Context().Done():
					return
				}
				_ = http.NewResponseController(w).Flush()
			}
		},
	}).browser()
	all, end := in.stream("/events?namespace=a")
	if first := all(); first.Type != "alive" {
		t.Errorf("the first line is %v", first)
	}
	next := uploads(func() *line {
		l := all()
		if l.Kind == "stores" && l.Type != "reset" && (l.Type != "error" || l.Status != 403 || !strings.Contains(l.Message, "you may not list filestores")) {
			t.Errorf("of stores: %v", l)
		}
		return l
	})
	for _, want := range []string{"reset", "put one two", "put three", "synced"} {
		next().is(t, want)
	}
	// What changes within a moment comes as one state.
	change <- event("MODIFIED", record("one", 11, "-new")) + event("DELETED", record("two", 11, "")) + event("ADDED", record("four", 11, "")) + event("DELETED", record("four", 12, ""))
	next().is(t, "gone a/four a/two")
	l := next()
	l.is(t, "put one")
	if path := l.Objects[0]["spec"].(map[string]any)["path"]; path != "p-new" {
		t.Errorf("the path is %v", path)
	}
	second, endSecond := in.stream("/events?namespace=a")
	other := uploads(second)
	for _, want := range []string{"reset", "put one two", "put three", "synced"} {
		other().is(t, want)
	}
	// A tab that closes ends its own watch, and no other.
	eventually(t, func() bool { return watching.Load() == 2 })
	endSecond()
	eventually(t, func() bool { return watching.Load() == 1 })
	before := lists.Load()
	expire <- struct{}{}
	for _, want := range []string{"reset", "put one two", "put three", "synced"} {
		next().is(t, want)
	}
	if now := lists.Load(); now != before+1 {
		t.Errorf("%d more lists", now-before)
	}
	end()
	in.ask(http.MethodGet, "/events?namespace=a/b", nil).is(t, http.StatusBadRequest)
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to that")
		}
	}
}

// TestEventsAfterFailures tells of an API server that is away, and lists again when it is back.
func TestEventsAfterFailures(t *testing.T) {
	var away atomic.Bool
	cut := make(chan struct{})
	in := serve(t, nil, &kubeAPI{
		list: func(w http.ResponseWriter, _ string) {
			if away.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, status(503, "ServiceUnavailable", "I am starting"))
				return
			}
			_, _ = io.WriteString(w, list(10, "", record("one", 1, "")))
		},
		watch: func(w http.ResponseWriter, r *http.Request, _ string) {
			if away.Load() {
				panic(http.ErrAbortHandler)
			}
			select {
			case <-cut:
			case <-r.Context().Done():
			}
		},
	}).browser()
	all, _ := in.stream("/events")
	next := uploads(all)
	for _, want := range []string{"reset", "put one", "synced"} {
		next().is(t, want)
	}
	away.Store(true)
	close(cut)
	for l := next(); ; l = next() {
		if l.Type == "error" && l.Status == 503 && strings.Contains(l.Message, "I am starting") {
			break
		}
		if l.Type != "error" && l.Type != "reset" {
			t.Fatalf("while it is away: %v", l)
		}
	}
	away.Store(false)
	for l := next(); l.Type != "synced"; l = next() {
		if l.Type == "put" {
			l.is(t, "put one")
		}
	}
}

// TestSlowReader holds up the watch when a browser does not read, and does not gather without an
// end.
func TestSlowReader(t *testing.T) {
	var sent atomic.Int64
	in := serve(t, nil, &kubeAPI{
		list: func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, list(1, "")) },
		watch: func(w http.ResponseWriter, r *http.Request, _ string) {
			for n := 2; r.Context().Err() == nil; n++ {
				text := event("ADDED", record(fmt.Sprintf("u%d", n), n, strings.Repeat("x", 4<<10)))
				if _, err := io.WriteString(w, text); err != nil {
					return
				}
				sent.Add(int64(len(text)))
			}
		},
	}).browser()
	response := in.open(http.MethodGet, "/events", nil)
	defer func() { _ = response.Body.Close() }()
	eventually(t, func() bool {
		before := sent.Load()
		time.Sleep(time.Second)
		return before > 0 && sent.Load() == before
	})
	if got := sent.Load(); got > 64<<20 {
		t.Errorf("%d MiB are kept for a browser that does not read", got>>20)
	}
}

// TestPatch passes on what is wanted of an upload, and nothing else.
func TestPatch(t *testing.T) {
	var got string
	code, text := http.StatusOK, record("b", 5, "")
	in := serve(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	})).browser()
	const asJSON = "application/json"
	for body, want := range map[string]string{
		`{"desiredState":"Completed"}`:                               `{"metadata":{},"spec":{"desiredState":"Completed"}}`,
		`{"desiredState":"Aborted","uid":"u","resourceVersion":"7"}`: `{"metadata":{"resourceVersion":"7","uid":"u"},"spec":{"desiredState":"Aborted"}}`,
		`{"ttl":"72h0m0s"}`:                                          `{"metadata":{},"spec":{"ttl":"72h0m0s"}}`,
	} {
		answer := in.ask(http.MethodPatch, "/uploads/a/b", strings.NewReader(body), "Content-Type", asJSON+"; charset=utf-8")
		answer.is(t, http.StatusOK, `"name":"b"`)
		if strings.Contains(string(answer.body), "managedFields") {
			t.Errorf("the answer is %s", answer.body)
		}
		if got != "PATCH "+kinds+"namespaces/a/multipartuploads/b application/merge-patch+json "+want {
			t.Errorf("%s comes as %s", body, got)
		}
	}
	got = ""
	for _, body := range []string{
		"", "{}", "[]", `{"desiredState":"Uploading"}`, `{"desiredState":"Completed","ttl":"1h"}`, `{"ttl":"soon"}`, `{"ttl":"-1h"}`, `{"path":"x"}`,
		`{"desiredState":"Completed","spec":{}}`, `{"ttl":"1h"} {}`, `{"ttl":"1h","uid":"` + strings.Repeat("x", maxPatch) + `"}`,
	} {
		in.ask(http.MethodPatch, "/uploads/a/b", strings.NewReader(body), "Content-Type", asJSON).is(t, http.StatusBadRequest, `{"message":`)
	}
	for _, mediaType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json"} {
		in.ask(http.MethodPatch, "/uploads/a/b", strings.NewReader(`{"ttl":"1h"}`), "Content-Type", mediaType).is(t, http.StatusUnsupportedMediaType)
	}
	for _, path := range []string{"/uploads/a", "/uploads/a/b/c", "/uploads/a/", "/uploads//b", "/uploads/a/%2e%2e", "/uploads/a/b%2fstatus", "/uploads/../b"} {
		in.ask(http.MethodPatch, path, strings.NewReader(`{"ttl":"1h"}`), "Content-Type", asJSON).is(t, http.StatusNotFound)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		in.ask(method, "/uploads/a/b", strings.NewReader(`{"ttl":"1h"}`), "Content-Type", asJSON).is(t, http.StatusNotFound)
	}
	if got != "" {
		t.Errorf("the API server was asked: %s", got)
	}
	code, text = http.StatusForbidden, status(403, "Forbidden", "you may not patch")
	in.ask(http.MethodPatch, "/uploads/a/b", strings.NewReader(`{"ttl":"1h"}`), "Content-Type", asJSON).is(t, http.StatusForbidden, "you may not patch. The ClusterRoles iotfile-upload-viewer")
}

// TestNamespaces lists them, or says why not.
func TestNamespaces(t *testing.T) {
	code := http.StatusOK
	in := serve(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		switch {
		case code != http.StatusOK:
			_, _ = io.WriteString(w, status(code, "Forbidden", "you may not list namespaces"))
		case r.URL.Query().Get("continue") == "":
			_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"NamespaceList","metadata":{"continue":"x"},"items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}]}`)
		default:
			_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"NamespaceList","metadata":{},"items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"b"}}]}`)
		}
	})).browser()
	in.ask(http.MethodGet, "/namespaces", nil).is(t, http.StatusOK, `{"namespaces":["a","b"]}`)
	code = http.StatusForbidden
	in.ask(http.MethodGet, "/namespaces", nil).is(t, http.StatusForbidden, `{"message":"you may not list namespaces`)
}

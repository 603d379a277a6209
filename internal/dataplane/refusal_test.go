package dataplane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// TestRefusals walks the contract's table of errors, with the contract's own limits: 5 MiB parts,
// numbers 1..1000.
func TestRefusals(t *testing.T) {
	s := newSystem(t, setup{limits: &v1alpha1.FileStoreLimits{}})
	const mib = 1 << 20
	part := make([]byte, 5*mib)
	file, base := s.path("open.bin"), "/api/iotfile/v3/"
	s.want(s.put(file+"?upload=start", nil), 201)
	s.want(s.put(file+"?part=1", part), 201)
	s.want(s.put(file+"?part=1000", part), 201)
	s.want(s.put(s.path("done.bin")+"?upload=start", nil), 201)
	s.want(s.put(s.path("done.bin")+"?upload=complete", []byte("0123456789")), 201)

	for _, tt := range []struct {
		name, method, path string
		body               io.Reader
		headers            []string
		status             int
		message            string
	}{
		{"start twice", "PUT", file + "?upload=start", nil, nil, 400, "is open, and stays open"},
		{"start with a body", "PUT", s.path("new") + "?upload=start", strings.NewReader("x"), nil, 400, "takes no body"},
		{"start with a chunked body", "PUT", s.path("new") + "?upload=start", unsized("x"), nil, 400, "takes no body"},
		{"start of an existing file", "PUT", s.path("done.bin") + "?upload=start", nil, nil, 409, "If-Match: 0"},
		{"start with a stale If-Match", "PUT", s.path("done.bin") + "?upload=start", nil, []string{"If-Match", "7"}, 409, "ETag 0"},
		{"start with If-Match of no file", "PUT", s.path("new") + "?upload=start", nil, []string{"If-Match", "0"}, 409, "does not exist"},
		{"If-Match of words", "PUT", s.path("new") + "?upload=start", nil, []string{"If-Match", "abc"}, 400, "decimal integer"},
		{"long description", "PUT", s.path("new") + "?upload=start", nil, []string{"description", strings.Repeat("ä", 101)}, 400, "100 characters"},
		{"long key", "PUT", s.path("new") + "?upload=start", nil, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "255"},
		{"bad media type", "PUT", s.path("new") + "?upload=start", nil, []string{"type", "ä/b"}, 400, "media type"},
		{"part 0", "PUT", file + "?part=0", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"part 1001", "PUT", file + "?part=1001", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"part 01", "PUT", file + "?part=01", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"part +1", "PUT", file + "?part=%2B1", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"part 1e3", "PUT", file + "?part=1e3", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"part 2^63", "PUT", file + "?part=9223372036854775808", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"part of nothing", "PUT", file + "?part=", bytes.NewReader(part), nil, 400, "1 to 1000"},
		{"small part", "PUT", file + "?part=2", bytes.NewReader(part[1:]), nil, 400, "5242879"},
		{"empty part", "PUT", file + "?part=2", bytes.NewReader(nil), nil, 400, "at least 5242880"},
		{"part without length", "PUT", file + "?part=2", unsized("x"), nil, 400, "at least 5242880"},
		{"part of no upload", "PUT", s.path("none") + "?part=1", bytes.NewReader(part), nil, 409, "upload=start"},
		{"part of a completed upload", "PUT", s.path("done.bin") + "?part=1", bytes.NewReader(part), nil, 409, "upload=start"},
		{"part with another If-Match", "PUT", file + "?part=2", bytes.NewReader(part), []string{"If-Match", "1"}, 409, "started without"},
		{"part and upload", "PUT", file + "?part=1&upload=complete", bytes.NewReader(part), nil, 400, "cannot stand together"},
		{"unknown upload", "PUT", file + "?upload=finish", nil, nil, 400, "start, complete or abort"},
		{"complete with a gap", "PUT", file + "?upload=complete", nil, nil, 400, "missing 2-999"},
		{"complete with a gap and a body", "PUT", file + "?upload=complete", strings.NewReader("x"), nil, 400, "missing 2-999"},
		{"complete of nothing", "PUT", s.path("none") + "?upload=complete", nil, nil, 409, "upload=start"},
		{"complete with a gap and a chunked body", "PUT", file + "?upload=complete", unsized("x"), nil, 400, "missing 2-999"},
		{"complete with another If-Match", "PUT", file + "?upload=complete", nil, []string{"If-Match", "0"}, 409, "started without"},
		{"complete again with another If-Match", "PUT", s.path("done.bin") + "?upload=complete", nil, []string{"If-Match", "0"}, 409, "started without"},
		{"abort of nothing", "PUT", s.path("none") + "?upload=abort", nil, nil, 404, "no upload"},
		{"parts of nothing", "GET", s.list("none"), nil, nil, 404, "no upload"},
		{"download of nothing", "GET", s.path("none"), nil, nil, 404, "does not exist"},
		{"head of nothing", "HEAD", s.path("none"), nil, nil, 404, ""},
		{"range beyond", "GET", s.path("done.bin"), nil, []string{"Range", "bytes=10-"}, 416, "10 bytes"},
		{"double slash", "PUT", base + "files/" + entity + "//x?upload=start", nil, nil, 400, "empty segment"},
		{"trailing slash", "PUT", s.path("x/") + "?upload=start", nil, nil, 400, "empty segment"},
		{"no path", "PUT", s.path("") + "?upload=start", nil, nil, 400, "path is empty"},
		{"dots", "PUT", s.path("a/%2e%2e/b") + "?upload=start", nil, nil, 400, "send the path resolved"},
		{"control character", "PUT", s.path("a%00b") + "?upload=start", nil, nil, 400, "control character"},
		{"encoded slash at the end", "PUT", s.path("a%2F") + "?upload=start", nil, nil, 400, "empty segment"},
		{"not UTF-8", "PUT", s.path("a%ffb") + "?upload=start", nil, nil, 400, "UTF-8"},
		{"too long", "PUT", s.path(strings.Repeat("a", 1000)) + "?upload=start", nil, nil, 400, "too long"},
		{"bad entity", "PUT", base + "files/ABC/x?upload=start", nil, nil, 400, "hexadecimal"},
		{"put of an entity", "PUT", base + "files/" + entity, strings.NewReader("x"), nil, 405, "searched"},
		{"delete of an entity", "DELETE", base + "files/" + entity, nil, nil, 405, "searched"},
		{"search of nothing", "GET", base + "files/", nil, nil, 400, "entityId"},
		{"search beyond", "GET", base + "files/" + entity + "?offset=10001", nil, nil, 400, "0 to 10000"},
		{"search of too much", "GET", base + "files/" + entity + "?limit=501", nil, nil, 400, "1 to 500"},
		{"post", "POST", file, strings.NewReader("x"), nil, 405, "PUT"},
		{"put of a list", "PUT", s.list("open.bin"), nil, nil, 405, "only be read"},
		{"no such route", "GET", base + "things", nil, nil, 404, "no such resource"},
		{"no such base", "GET", "/", nil, nil, 404, "no such resource"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.do(tt.method, tt.path, tt.body, tt.headers...)
			if got.status != tt.status || !strings.Contains(string(got.body), tt.message) && tt.method != "HEAD" {
				t.Fatalf("got %v, want %d with %q", got, tt.status, tt.message)
			}
			if tt.method != "HEAD" {
				checkErrorBody(t, got)
			}
			if _, has := got.header["Allow"]; has != (tt.status == 405) {
				t.Errorf("Allow is %q", got.header["Allow"])
			}
			if tt.status == 416 && got.header.Get("Content-Range") != "bytes */10" {
				t.Errorf("Content-Range: %q", got.header.Get("Content-Range"))
			}
			// The whole story is in the log, under the same id.
			s.eventually("logged", func() error {
				if lines := s.log.with(got.header.Get("X-Request-Id")); len(lines) != 1 {
					return fmt.Errorf("%d log lines", len(lines))
				}
				return nil
			})
		})
	}
	// Nothing of it has harmed what was there.
	if got := s.want(s.get(s.list("open.bin")), 200); strings.Count(string(got.body), "partNo") != 2 {
		t.Errorf("the open upload has %s", got)
	}
}

// unsized hides the length of a body, so that it is sent chunked.
func unsized(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

// TestNamespaces: who may not have a store learns what to ask for, and no more.
func TestNamespaces(t *testing.T) {
	s := newSystem(t, setup{limits: &v1alpha1.FileStoreLimits{MaxOpenUploadsPerNamespace: ptr.To[int32](2)}})
	s.want(s.put(s.path("1")+"?upload=start", nil), 201)
	s.want(s.put(s.path("2")+"?upload=start", nil), 201)
	var got reply
	s.eventually("full", func() error {
		if got = s.put(s.path("3")+"?upload=start", nil); got.status != 429 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if got.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	if n := len(s.records()); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	url := s.url
	for namespace, status := range map[string]int{"does-not-exist": 404, "Not_A_Label": 400, "kube-system": 404} {
		s.url = s.scheme + s.addr + "/namespaces/" + namespace
		s.want(s.put(s.path("x")+"?upload=start", nil), status)
		s.want(s.get(s.path("x")), status)
	}
	s.url = url
	fs := &v1alpha1.FileStore{}
	must(t, s.kube.Get(t.Context(), client.ObjectKey{Name: s.namespace}, fs))
	fs.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"no": "body"}}
	must(t, s.kube.Update(t.Context(), fs))
	s.eventually("refused", func() error {
		if got := s.get(s.path("x")); got.status != 403 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	// What is open goes on.
	s.want(s.put(s.path("1")+"?upload=complete", []byte("x")), 201)
	s.want(s.put(s.path("2")+"?upload=abort", nil), 204)
}

// TestStartWithoutReconciler: a start that nobody answers is taken back, so that the same request
// can be sent again.
func TestStartWithoutReconciler(t *testing.T) {
	s := newSystem(t, setup{noControllers: true, options: func(o *dataplane.Options) { o.StartTimeout = 300e6 }})
	got := s.want(s.put(s.path("x")+"?upload=start", nil), 503)
	if got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	for _, u := range s.records() { // its finalizer is the reconciler's to remove
		if u.DeletionTimestamp == nil {
			t.Errorf("the record %s is still wanted", u.Name)
		}
	}
}

// gate lets "Bearer alice" of the namespace "default" read and create, but not update.
type gate struct{ namespace string }

func (g gate) Authenticate(r *http.Request) (identity.Identity, error) {
	switch r.Header.Get("Authorization") {
	case "Bearer alice":
		return identity.Identity{Name: "alice", Namespace: g.namespace}, nil
	case "Bearer broken":
		return identity.Identity{}, errors.New("the API server is down")
	}
	return identity.Identity{}, identity.ErrUnauthenticated
}

func (gate) Authorize(_ context.Context, id identity.Identity, right identity.Right) error {
	if id.Name != "alice" || right.Verb == identity.VerbUpdate || (right.Resource == identity.ResourceFiles && right.Name != entity) {
		return identity.ErrForbidden
	}
	return nil
}

// TestAuth: the interfaces are asked before anything else is done, and believed.
func TestAuth(t *testing.T) {
	s := newSystem(t, setup{noReadyProbe: true, options: func(o *dataplane.Options) { o.Authenticator, o.Authorizer = gate{}, gate{} }})
	alice := []string{"Authorization", "Bearer alice"}
	s.eventually("the store ready", func() error {
		if got := s.put(s.path("x")+"?upload=start", nil, alice...); got.status != 201 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if by := s.records()[0].Spec.CreatedBy; by != "alice" {
		t.Errorf("createdBy is %q", by)
	}
	got := s.want(s.put(s.path("x")+"?part=1", make([]byte, 2000)), 401)
	if got.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("401 with %q", got.header)
	}
	s.want(s.put(s.path("x")+"?part=1", make([]byte, 2000), "Authorization", "Bearer bob"), 401)
	s.want(s.put(s.path("x")+"?part=1", make([]byte, 2000), "Authorization", "Bearer broken"), 503)
	others := strings.Replace(s.path("x"), "0123", "0000", 1)
	s.wantRefusal(s.put(s.path("x")+"?part=1", make([]byte, 2000), append(alice, "If-Match", "0")...), 403, "the right to update files.iotfile.dev in its namespace")
	s.wantRefusal(s.put(others+"?part=1", make([]byte, 2000), alice...), 403, "the right to create or update files.iotfile.dev in its namespace")
	s.wantRefusal(s.get(others, alice...), 403, "the right to get files.iotfile.dev in its namespace")
	s.want(s.put(s.path("x")+"?part=1", make([]byte, 2000), alice...), 201)
	// Without a namespace in token and path there is no tenant.
	s.url = s.scheme + s.addr
	s.want(s.get(s.path("x"), alice...), 400)
}

// TestOpeningRefused: a store that can keep other files, and says No to this one each time, is told
// of while the client waits, and the path is free after that.
func TestOpeningRefused(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	heal := store.Inject(memory.Fault{Operation: memory.CreateUpload, Before: memory.Fail(&filestore.Error{
		Op: "CreateMultipartUpload", Kind: filestore.ErrUnavailable, Cause: errors.New("500"), Status: 500,
	})})
	got := s.want(s.put(s.path("x?upload=start"), nil), 502)
	if !strings.Contains(string(got.body), "refuses to open") {
		t.Errorf("%v", got)
	}
	s.eventually("free", func() error {
		if n := len(s.records()); n != 0 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	heal()
	s.want(s.put(s.path("x?upload=start"), nil), 201)
}

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/openapi/openapitest"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

var (
	// contract is the OpenAPI document.
	contract = mustContract()
	// httpClient takes an answer that the document does not allow for an error.
	httpClient = &http.Client{
		Transport:     contract.Transport(http.DefaultTransport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("nothing is ever redirected") },
	}
)

func mustContract() *openapitest.Validator {
	v, err := openapitest.New(openapi.Document())
	if err != nil {
		panic(err)
	}
	return v
}

// file is a file of a tenant, as a REST client sees it.
type file struct {
	*tenant
	entity, path string
}

// newFile names a file of an entity of its own, so that tests do not meet.
func (tn *tenant) newFile(path string) *file {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &file{tenant: tn, entity: hex.EncodeToString(id), path: path}
}

func (f *file) url(kind, query string) string {
	base := system.operator.URL
	if f.namespace != "default" {
		base += "/namespaces/" + f.namespace
	}
	return fmt.Sprintf("%s/api/iotfile/v3/%s/%s/%s%s", base, kind, f.entity, f.path, query)
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (f *file) do(ctx context.Context, method, url string, body []byte, header ...string) (*answer, error) {
	return f.doWith(ctx, httpClient, method, url, body, header...)
}

// doWith sends a request as the tenant's service account, unless header says otherwise.
func (f *file) doWith(ctx context.Context, httpClient *http.Client, method, url string, body []byte, header ...string) (*answer, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return nil, err
	}
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := httpClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return &answer{status: res.StatusCode, header: res.Header, body: data}, err
}

// must sends a request that is answered with status.
func (f *file) must(t *testing.T, status int, method, query string, body []byte, header ...string) *answer {
	t.Helper()
	return f.mustAt(t, status, method, f.url("files", query), body, header...)
}

func (f *file) mustAt(t *testing.T, status int, method, url string, body []byte, header ...string) *answer {
	t.Helper()
	a, err := f.do(t.Context(), method, url, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	if a.status != status {
		t.Fatalf("%s %s: %d, not %d: %s", method, url, a.status, status, a.body)
	}
	if status >= 400 && method != http.MethodHead {
		f.checkError(t, a)
	}
	return a
}

// checkError makes sure that an error is one of the contract: an id and a message that gives
// nothing internal away.
func (f *file) checkError(t *testing.T, a *answer) {
	t.Helper()
	var e struct{ ID, Message string }
	if err := json.Unmarshal(a.body, &e); err != nil || len(e.ID) != 36 || e.Message == "" {
		t.Errorf("the error is not {id, message}: %q", a.body)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("the error has Content-Type %q", kind)
	}
	for _, secret := range []string{bucket + "/", f.store.AccessKey, f.store.SecretKey, f.token, "goroutine", f.store.Endpoint} {
		if strings.Contains(string(a.body), secret) {
			t.Errorf("the error gives %q away: %s", secret, a.body)
		}
	}
}

// partList is what fileslist returns.
type partList []struct {
	ObjectKey string `json:"objectKey"`
	PartNo    int    `json:"partNo"`
	Created   int64  `json:"created"`
}

func (f *file) parts(t *testing.T, alias string) partList {
	t.Helper()
	var out partList
	if err := json.Unmarshal(f.mustAt(t, 200, http.MethodGet, f.url(alias, ""), nil).body, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// record reads the MultipartUpload that the REST API made for the file.
func (f *file) record(ctx context.Context) (*v1alpha1.MultipartUpload, error) {
	name := upload.Name(string(f.store.Kind), upload.File{Namespace: f.namespace, EntityID: f.entity, Path: f.path})
	u := &v1alpha1.MultipartUpload{}
	return u, system.kube.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: name}, u)
}

// mustRecord reads it, and fails the test if there is none.
func (f *file) mustRecord(t *testing.T) *v1alpha1.MultipartUpload {
	t.Helper()
	u, err := f.record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// waitNoRecord waits until there is no MultipartUpload of the file.
func (f *file) waitNoRecord(t *testing.T) {
	t.Helper()
	eventually(t, "the record goes", func() error {
		u, err := f.record(t.Context())
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("it is there, with phase %s", u.Status.Phase))
	})
}

// waitNoParts waits until the backend knows neither the upload nor a part of it, as an S3 client
// sees it.
func (f *file) waitNoParts(t *testing.T, u *v1alpha1.MultipartUpload) {
	t.Helper()
	if u.Status.UploadID == "" {
		t.Fatal("the upload was never opened, so its parts cannot be gone")
	}
	eventually(t, "the parts go", func() error {
		parts, err := f.s3.ListObjectParts(t.Context(), bucket, u.Status.ObjectKey, u.Status.UploadID, 0, 1000)
		if code := minio.ToErrorResponse(err).Code; code != "NoSuchUpload" {
			return errors.Join(fmt.Errorf("the backend has the upload with %d parts", len(parts.ObjectParts)), err)
		}
		uploads, err := f.s3.ListMultipartUploads(t.Context(), bucket, u.Status.ObjectKey, "", "", "", 1000)
		if err != nil || len(uploads.Uploads) > 0 {
			return errors.Join(fmt.Errorf("the backend lists %d uploads of the key", len(uploads.Uploads)), err)
		}
		return nil
	})
}

// random makes n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// newEntity is an entity that no other test uses.
func newEntity() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

// random is content that does not compress, and is never the same twice.
func random(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032x", rand.Uint64()))).Read(content)
	return content
}

// onDisk is a file for the browser to send.
func onDisk(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(path, content, 0o600))
	return path
}

// rest sends a request to the REST API, past the page, and returns the body of an answer that is
// good.
func rest(t *testing.T, method, entity, pathAndQuery string, body []byte) []byte {
	t.Helper()
	s := needSystem(t)
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/api/iotfile/v3/files/"+entity+"/"+pathAndQuery, bytes.NewReader(body))
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s\n%s", method, pathAndQuery, resp.Status, answer)
	}
	return answer
}

// compare downloads a file, and holds that it is what was sent.
func compare(t *testing.T, entity, path string, content []byte) {
	t.Helper()
	got := rest(t, http.MethodGet, entity, (&url.URL{Path: path}).EscapedPath(), nil)
	sum, want := sha256.Sum256(got), sha256.Sum256(content)
	if sum != want {
		t.Fatalf("%s: %d bytes with the sum %x come back, and %d with %x were sent", path, len(got), sum, len(content), want)
	}
	t.Logf("%s: %d bytes, sha256 %s, are what was sent", path, len(got), hex.EncodeToString(sum[:]))
}

// uploadOf is the newest record of a file.
func uploadOf(t *testing.T, entity, path string) *v1alpha1.MultipartUpload {
	t.Helper()
	var list v1alpha1.MultipartUploadList
	check(t, system.kube.List(t.Context(), &list, client.InNamespace(devcluster.SampleNamespace)))
	var newest *v1alpha1.MultipartUpload
	for i := range list.Items {
		u := &list.Items[i]
		if u.Spec.EntityID == entity && u.Spec.Path == path && (newest == nil || newest.CreationTimestamp.Before(&u.CreationTimestamp)) {
			newest = u
		}
	}
	return newest
}

// waitPhase waits for the end of an upload.
func waitPhase(t *testing.T, entity, path, phase string) {
	t.Helper()
	eventually(t, path+" is "+phase, func() error {
		u := uploadOf(t, entity, path)
		if u == nil || string(u.Status.Phase) != phase {
			return fmt.Errorf("the record is %+v", u)
		}
		return nil
	})
}

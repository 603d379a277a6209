package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/signer"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// tokenServiceAudience is what tokens for MinIO's token service are for, tokenServiceRole the name
// that MinIO gives the role of their owners: it has the SHA-1 of the audience.
const (
	tokenServiceAudience = "sts.iotfile.dev"
	tokenServiceRole     = "arn:minio:iam:us-east-1::role/qL5PAzg70UUu0Mkj7YDH9b9mEuY"
)

// TestWebIdentity has the operator use MinIO without a Secret: with the token of its own service
// account, which MinIO judges by the keys of the real API server.
func TestWebIdentity(t *testing.T) {
	const account = "iotfile-operator"
	store, err := devcluster.StartObjectStore(t.Context(), devcluster.StoreMinIO, devcluster.ObjectStoreOptions{
		Dir: t.TempDir(), Log: os.Stderr, Env: []string{
			"MINIO_IDENTITY_OPENID_CONFIG_URL=" + issuer(t) + "/.well-known/openid-configuration",
			"MINIO_IDENTITY_OPENID_CLIENT_ID=" + tokenServiceAudience,
			"MINIO_IDENTITY_OPENID_ROLE_POLICY=iotfile",
		},
	})
	check(t, err)
	t.Cleanup(func() { _ = store.Stop() })
	check(t, store.CreateBucket(t.Context(), bucket))
	addPolicy(t, store, "iotfile", examplePolicy(t, "minio-policy.json"))
	token, err := system.plane.ServiceAccountToken(t.Context(), devcluster.OperatorNamespace, account, time.Hour, tokenServiceAudience)
	check(t, err)
	remember(token)
	useWebIdentity(t, store.Endpoint, token, tokenServiceRole)
	const name = "web-identity"
	h := withoutKeys(t, store, name)
	h.expect(t, v1alpha1.ReasonProbed, "")
	h.sendAndRead(t)

	// MinIO gives the role to whoever has a token for the audience, and every pod can have one: the
	// policy has to name the account.
	for _, who := range []struct {
		namespace, account, audience string
		allowed                      bool
	}{
		{devcluster.OperatorNamespace, account, tokenServiceAudience, true},
		{name, account, tokenServiceAudience, false},
		{devcluster.OperatorNamespace, "another", tokenServiceAudience, false},
		{devcluster.OperatorNamespace, account, devcluster.Audience, false},
	} {
		token, err := system.plane.ServiceAccountToken(t.Context(), who.namespace, who.account, time.Hour, who.audience)
		check(t, err)
		if err := listWith(t, store, store.Endpoint, tokenServiceRole, token); (err == nil) != who.allowed {
			t.Errorf("%+v: %v", who, err)
		}
	}
}

// useWebIdentity has the operator take the role with the token, at that token service.
func useWebIdentity(t *testing.T, service, token, role string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	check(t, os.WriteFile(file, []byte(token), 0o600))
	useOperator(t, func(o *devcluster.OperatorOptions) {
		o.Env = append(slices.Clone(o.Env), "AWS_WEB_IDENTITY_TOKEN_FILE="+file, "AWS_ROLE_ARN="+role, "AWS_ENDPOINT_URL_STS="+service)
	})
}

// withoutKeys makes a FileStore without credentials, and a namespace that uses it.
func withoutKeys(t *testing.T, store *devcluster.ObjectStore, name string) *handedOut {
	t.Helper()
	fs := &v1alpha1.FileStore{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.FileStoreSpec{Endpoint: store.Endpoint, Region: store.Region, Bucket: bucket}}
	check(t, system.kube.Create(t.Context(), fs))
	deleteAtTheEnd(t, fs)
	check(t, createNamespace(t.Context(), name, map[string]string{v1alpha1.AnnotationNamespaceStore: name}))
	deleteAtTheEnd(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	application, err := system.plane.ApplicationToken(t.Context(), name, "app", time.Hour)
	check(t, err)
	return &handedOut{tenant: &tenant{namespace: name, store: store, token: application}, store: fs}
}

// issuer serves what a cluster serves to whoever judges tokens of its service accounts: the API
// server's own documents, without asking who wants them. It returns the address.
func issuer(t *testing.T) string {
	t.Helper()
	api, err := rest.HTTPClientFor(system.plane.RESTConfig())
	check(t, err)
	get := func(path string) ([]byte, error) {
		res, err := api.Get(system.plane.RESTConfig().Host + path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", path, res.Status)
		}
		return data, err
	}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := get(r.URL.Path)
		if err == nil && r.URL.Path == "/.well-known/openid-configuration" {
			document := map[string]any{}
			err = json.Unmarshal(data, &document)
			document["jwks_uri"] = server.URL + "/openid/v1/jwks" // the API server names an address of its own
			data, _ = json.Marshal(document)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// examplePolicy reads a policy of docs/examples, for the bucket of the tests.
func examplePolicy(t *testing.T, name string) []byte {
	t.Helper()
	root, err := devcluster.ModuleRoot()
	check(t, err)
	data, err := os.ReadFile(filepath.Join(root, "docs", "examples", name))
	check(t, err)
	return bytes.ReplaceAll(data, []byte("my-iot-files"), []byte(bucket))
}

// addPolicy makes a policy in MinIO, as `mc admin policy create` does. For a moment after its start
// it takes none.
func addPolicy(t *testing.T, store *devcluster.ObjectStore, name string, policy []byte) {
	t.Helper()
	sum := sha256.Sum256(policy)
	eventually(t, "MinIO takes the policy", func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, store.Endpoint+"/minio/admin/v3/add-canned-policy?name="+name, bytes.NewReader(policy))
		check(t, err)
		req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		res, err := http.DefaultClient.Do(signer.SignV4(*req, store.AccessKey, store.SecretKey, "", store.Region))
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		switch res.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable:
			return fmt.Errorf("%s: %s", res.Status, body)
		}
		t.Fatalf("the policy is refused: %s: %s", res.Status, body)
		return nil
	})
}

// listWith lists the bucket with what the token service gives for the token.
func listWith(t *testing.T, store *devcluster.ObjectStore, service, role, token string) error {
	t.Helper()
	creds, err := credentials.NewSTSWebIdentity(service, func() (*credentials.WebIdentityToken, error) {
		return &credentials.WebIdentityToken{Token: token}, nil
	}, func(i *credentials.STSWebIdentity) { i.RoleARN = role })
	check(t, err)
	s3, err := minio.NewCore(strings.TrimPrefix(store.Endpoint, "http://"), &minio.Options{Creds: creds, Region: store.Region})
	check(t, err)
	_, err = s3.ListObjectsV2(bucket, "", "", "", "", 1)
	return err
}

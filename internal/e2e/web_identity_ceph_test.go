package e2e

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // what Ceph knows a certificate by
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestWebIdentityCeph has the operator use Ceph 16 without a Secret, with two things beside it that
// newer ones need not: an issuer of the test's own, which publishes the certificate of its key
// (x5c), and a proxy before the token service, whose answer has no XML namespace.
func TestWebIdentityCeph(t *testing.T) {
	var missing *devcluster.MissingProgramsError
	if _, err := devcluster.FindStore(t.Context(), os.Stderr, devcluster.StoreCeph); errors.As(err, &missing) {
		t.Skipf("NOT TESTED: %v", missing)
	}
	const role = "arn:aws:iam:::role/iotfile"
	dir := t.TempDir()
	store, err := devcluster.StartObjectStore(t.Context(), devcluster.StoreCeph, devcluster.ObjectStoreOptions{
		Dir: dir, Log: os.Stderr, Env: []string{"CEPH_ARGS=--rgw-sts-key=" + rand.Text()[:16] + " --rgw-s3-auth-use-sts=true"},
	})
	check(t, err)
	t.Cleanup(func() { _ = store.Stop() })
	check(t, store.CreateBucket(t.Context(), bucket))
	owner := newIssuer(t)
	addProvider(t, store, dir, owner)
	admin := func(args ...string) { cephAdmin(t, dir, args...) }
	admin("role", "create", "--role-name=iotfile", "--assume-role-policy-doc="+fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{
		"Effect":"Allow","Action":["sts:AssumeRoleWithWebIdentity"],"Principal":{"Federated":["arn:aws:iam:::oidc-provider/%[1]s"]},
		"Condition":{"StringEquals":{"%[1]s:app_id":"%[2]s"}}}]}`, owner.host(), tokenServiceAudience))
	admin("role-policy", "put", "--role-name=iotfile", "--policy-name=iotfile", "--policy-doc="+string(examplePolicy(t, "ceph-role-policy.json")))

	token := owner.token(t, "system:serviceaccount:iotfile-system:iotfile-operator", tokenServiceAudience)
	remember(token)
	service := namespaced(t, store.Endpoint)
	useWebIdentity(t, service, token, role)
	h := withoutKeys(t, store, "web-identity-ceph")
	h.expect(t, v1alpha1.ReasonProbed, "")
	h.sendAndRead(t)

	forged := newIssuer(t)
	forged.server.Close()
	forged.server.URL = owner.server.URL
	for what, refused := range map[string]string{
		"another audience": owner.token(t, "system:serviceaccount:iotfile-system:iotfile-operator", devcluster.Audience),
		"a forged token":   forged.token(t, "system:serviceaccount:iotfile-system:iotfile-operator", tokenServiceAudience),
	} {
		if err := listWith(t, store, service, role, refused); err == nil {
			t.Errorf("%s is let in", what)
		}
	}
	if err := listWith(t, store, service, role, token); err != nil {
		t.Error(err)
	}
}

// namespaced is the address of a proxy that names the XML namespace of the token service's answers.
func namespaced(t *testing.T, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	check(t, err)
	const root = "<AssumeRoleWithWebIdentityResponse"
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			body = bytes.Replace(body, []byte(root+">"), []byte(root+` xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`), 1)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// cephAdmin runs radosgw-admin beside the gateway of that directory.
func cephAdmin(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "radosgw-admin", append([]string{"--conf=" + filepath.Join(dir, "ceph.conf"), "-n", "client.rgw"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("radosgw-admin %s: %v\n%s", args[0], err, out)
	}
}

// addProvider has Ceph trust the issuer.
func addProvider(t *testing.T, store *devcluster.ObjectStore, dir string, i *tokenIssuer) {
	t.Helper()
	cephAdmin(t, dir, "caps", "add", "--uid=iotfile", "--caps=oidc-provider=*")
	sum := sha1.Sum(i.certificate)
	form := []byte(url.Values{
		"Action": {"CreateOpenIDConnectProvider"}, "Url": {i.server.URL},
		"ThumbprintList.member.1": {hex.EncodeToString(sum[:])}, "ClientIDList.member.1": {tokenServiceAudience},
	}.Encode())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, store.Endpoint+"/", bytes.NewReader(form))
	check(t, err)
	payload := sha256.Sum256(form)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(payload[:]))
	res, err := http.DefaultClient.Do(signer.SignV4(*req, store.AccessKey, store.SecretKey, "", store.Region))
	check(t, err)
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("the provider is refused: %s: %s", res.Status, body)
	}
}

// tokenIssuer signs tokens, and publishes the key with a certificate.
type tokenIssuer struct {
	key         *rsa.PrivateKey
	certificate []byte
	server      *httptest.Server
}

func newIssuer(t *testing.T) *tokenIssuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	i := &tokenIssuer{key: key, certificate: certificate}
	answer := func(document any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(document) }
	}
	mux := http.NewServeMux()
	i.server = httptest.NewServer(mux)
	t.Cleanup(i.server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", answer(map[string]any{"issuer": i.server.URL, "jwks_uri": i.server.URL + "/keys"}))
	mux.HandleFunc("/keys", answer(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
		"x5c": []string{base64.StdEncoding.EncodeToString(certificate)},
	}}}))
	return i
}

func (i *tokenIssuer) host() string { return strings.TrimPrefix(i.server.URL, "http://") }

// token is as the API server makes them.
func (i *tokenIssuer) token(t *testing.T, subject, audience string) string {
	t.Helper()
	now := time.Now().Unix()
	var parts []string
	for _, part := range []any{
		map[string]any{"alg": "RS256", "kid": "1", "typ": "JWT"},
		map[string]any{"iss": i.server.URL, "sub": subject, "aud": []string{audience}, "iat": now, "nbf": now, "exp": now + 3600},
	} {
		data, err := json.Marshal(part)
		check(t, err)
		parts = append(parts, base64.RawURLEncoding.EncodeToString(data))
	}
	signed := strings.Join(parts, ".")
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	check(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

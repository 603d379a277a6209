package cli

import (
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// withKeys gives the keys of the store to the commands, and nothing of the installation.
func (c *shellOf) withKeys(access, secret string) *shellOf {
	own := *c
	own.env = append(without(c.env, "IOTFILE_URL", "IOTFILE_TOKEN", "IOTFILE_NAMESPACE", "KUBECONFIG"), "AWS_ACCESS_KEY_ID="+access, "AWS_SECRET_ACCESS_KEY="+secret)
	return &own
}

// TestDoctorOfAStore examines the buckets that the tests have, as FileStores of which the operator
// says the same.
func TestDoctorOfAStore(t *testing.T) {
	onEachStore(t, func(t *testing.T, c *shellOf) {
		s := c.ObjectStore
		own := c.withKeys(s.AccessKey, s.SecretKey)
		wants := findings{"bucket": {"ok", s.Endpoint}, "search": {"warning", ""}, "verdict": {"ok", "usable: of racing writers one wins"}}
		if s.Kind == devcluster.StoreMinIO {
			wants["search"] = [2]string{"ok", ""}
			wants["upload listing"] = [2]string{"warning", "exact key"}
		}
		for _, check := range []string{"checksums", "conditions", "parts", "cut bodies", "completion", "single file", "races", "abort", "deletion"} {
			wants[check] = [2]string{"ok", ""}
		}
		own.finds(t, 0, wants, "--store", s.Endpoint, "--region", s.Region, devcluster.Bucket)
		out, _ := own.run(t, 0, "doctor", "--store", s.Endpoint, "-o", `jsonpath={.items[?(@.check=="verdict")].state}`, devcluster.Bucket)
		if out != "ok" {
			t.Errorf("as an object the verdict is %q", out)
		}
		if strings.Contains(out, s.SecretKey) {
			t.Error("it prints the secret key")
		}
		out, _ = own.run(t, 0, "doctor", "--store", s.Endpoint, devcluster.Bucket, "--prefix", "elsewhere/")
		says(t, out, "verdict")
		nothingIsLeft(t, s, "iotfile-doctor/", "elsewhere/")
	})
}

// nothingIsLeft looks past the operator at what is in the bucket.
func nothingIsLeft(t *testing.T, s *devcluster.ObjectStore, prefixes ...string) {
	t.Helper()
	client, err := minio.NewCore(strings.TrimPrefix(s.Endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
	check(t, err)
	for _, prefix := range prefixes {
		for object := range client.Client.ListObjects(t.Context(), devcluster.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			check(t, object.Err)
			t.Errorf("%s is left", object.Key)
		}
		for upload := range client.ListIncompleteUploads(t.Context(), devcluster.Bucket, prefix, true) {
			check(t, upload.Err)
			t.Errorf("an upload of %s is left", upload.Key)
		}
	}
}

// TestDoctorOfBrokenStores has the bucket be one that cannot be used, in each way.
func TestDoctorOfBrokenStores(t *testing.T) {
	c := newShell(t)
	s := c.ObjectStore
	own, foreign := c.withKeys(s.AccessKey, s.SecretKey), c.withKeys(s.AccessKey, "wrong")
	secure := httptest.NewTLSServer(forwarder(t, s.Endpoint))
	t.Cleanup(secure.Close)
	own.write(t, "ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	for name, tt := range map[string]struct {
		shell *shellOf
		want  string
		args  []string
	}{
		"wrong keys":     {foreign, "refuses the credentials", []string{"--store", s.Endpoint, devcluster.Bucket}},
		"no such bucket": {own, "bucket not found", []string{"--store", s.Endpoint, "no-such-bucket"}},
		"nobody":         {own, "refused", []string{"--store", "http://" + nobody, devcluster.Bucket}},
		"an API":         {own, "", []string{"--store", c.URL, devcluster.Bucket}},
		"a path":         {own, "configuration", []string{"--store", s.Endpoint + "/path", devcluster.Bucket}},
		"no trust":       {own, "unknown authority", []string{"--store", secure.URL, devcluster.Bucket}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.shell.finds(t, 1, findings{"bucket": {"failure", tt.want}, "parts": {"unknown", ""}, "checksums": {"unknown", ""}, "verdict": {"failure", "not usable: bucket"}}, tt.args...)
		})
	}
	// Forwarded without a change of the host, requests keep their signatures.
	own.finds(t, 1, findings{"bucket": {"failure", "refuses"}}, "--store", secure.URL, "--ca-file", "ca.crt", devcluster.Bucket)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--store", s.Endpoint}, "one BUCKET"},
		{[]string{"--store", s.Endpoint, "a", "b"}, "one BUCKET"},
		{[]string{"--store", s.Endpoint, "--prefix", "x", "a"}, "ends with a slash"},
		{[]string{"--store", s.Endpoint, "--addressing-style", "x", "a"}, "Auto, Path or VirtualHosted"},
		{[]string{"--store", s.Endpoint, "--probe-size", "1", "a"}, "not of --store"},
		{[]string{"--region", "x"}, "--region is one of --store"},
		{[]string{"--probe-time", "2m"}, "from 0 to 55s"},
		{[]string{"bucket"}, "unknown command"},
	} {
		_, told := own.run(t, 2, append([]string{"doctor"}, tt.args...)...)
		says(t, told, tt.want)
	}
	_, told := c.run(t, 2, "doctor", "--store", s.Endpoint, devcluster.Bucket)
	says(t, told, "AWS_ACCESS_KEY_ID")
}

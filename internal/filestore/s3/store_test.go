package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

func TestNewRefusesWhatCannotBeUsed(t *testing.T) {
	good := filestore.Config{Endpoint: "https://s3.example.com", Bucket: "files", Credentials: &filestore.Credentials{AccessKeyID: "AKIASECRET", SecretAccessKey: "hunter2"}}
	if s, err := s3.New(good); err != nil {
		t.Fatal(err)
	} else {
		s.Close()
		s.Close()
	}
	for name, change := range map[string]func(*filestore.Config){
		"no endpoint":             func(c *filestore.Config) { c.Endpoint = "" },
		"endpoint is no URL":      func(c *filestore.Config) { c.Endpoint = "http://a b" },
		"endpoint has no scheme":  func(c *filestore.Config) { c.Endpoint = "s3.example.com" },
		"endpoint has a path":     func(c *filestore.Config) { c.Endpoint = "https://s3.example.com/bucket" },
		"endpoint has a password": func(c *filestore.Config) { c.Endpoint = "https://AKIASECRET:hunter2@s3.example.com" },
		"no bucket":               func(c *filestore.Config) { c.Bucket = "" },
		"bucket is a path":        func(c *filestore.Config) { c.Bucket = "a/b" },
		"payload mode":            func(c *filestore.Config) { c.PayloadMode = "Hopeful" },
		"CA bundle":               func(c *filestore.Config) { c.CABundle = []byte("not PEM") },
	} {
		c := good
		change(&c)
		_, err := s3.New(c)
		var config *filestore.ConfigError
		if !errors.As(err, &config) || !errors.Is(err, filestore.ErrInvalidConfig) || config.Reason != v1alpha1.ReasonInvalidConfiguration {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "AKIASECRET") {
			t.Errorf("%s: a credential is in %q", name, err)
		}
	}
}

// calls are the operations that a wrong configuration must make fail with an error that says so.
func calls(t *testing.T, s filestore.Store) map[string]error {
	ref := filestore.UploadRef{Key: "a/b", UploadID: "0b5c1d7e-0000-4000-8000-000000000000"}
	result := map[string]error{}
	_, result["CreateUpload"] = s.CreateUpload(t.Context(), ref.Key, filestore.CreateUploadOptions{})
	_, result["PutPart"] = s.PutPart(t.Context(), ref, 1, bytes.NewReader([]byte("x")), 1)
	_, result["ListParts"] = s.ListParts(t.Context(), ref)
	_, result["CompleteUpload"] = s.CompleteUpload(t.Context(), ref, []filestore.Part{{Number: 1, ETag: "x"}}, filestore.Condition{})
	result["ListUploads"] = s.ListUploads(t.Context(), "", func(filestore.Upload) bool { return true })
	_, result["Stat"] = s.Stat(t.Context(), ref.Key)
	_, result["Open"] = s.Open(t.Context(), filestore.Object{Key: ref.Key}, filestore.ByteRange{Length: -1})
	_, result["PutObject"] = s.PutObject(t.Context(), ref.Key, bytes.NewReader([]byte("x")), 1, filestore.CreateUploadOptions{}, filestore.Condition{})
	result["DeleteObject"] = s.DeleteObject(t.Context(), ref.Key)
	result["ListObjects"] = s.ListObjects(t.Context(), "", "", func(filestore.Object) bool { return true })
	_, result["Probe"] = s.Probe(t.Context())
	return result
}

func TestWrongConfigurations(t *testing.T) {
	for _, kind := range kinds {
		s := server(t, kind)
		for name, tc := range map[string]struct {
			change func(*filestore.Config)
			want   error
		}{
			"access key": {func(c *filestore.Config) { c.Credentials.AccessKeyID = "NOBODY" }, filestore.ErrAccessDenied},
			"secret key": {func(c *filestore.Config) { c.Credentials.SecretAccessKey = "hunter2" }, filestore.ErrAccessDenied},
			"bucket":     {func(c *filestore.Config) { c.Bucket = "no-such-bucket" }, filestore.ErrBucketNotFound},
		} {
			t.Run(fmt.Sprintf("%s/%s", kind, name), func(t *testing.T) {
				c := config(s, v1alpha1.PayloadTrailingCRC64NVME)
				tc.change(&c)
				for call, err := range calls(t, connect(t, c)) {
					if !errors.Is(err, tc.want) {
						t.Errorf("%s: %v, want %q", call, err, tc.want)
					} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), s.SecretKey) {
						t.Errorf("%s: a credential is in %q", call, err)
					}
				}
			})
		}
	}
}

// TestSomethingElseAnswers: what an ingress or a web server says of a path must not be believed of
// an upload or an object.
func TestSomethingElseAnswers(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusBadGateway} {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html><body>default backend</body></html>")
		}))
		defer page.Close()
		c := config(server(t, kinds[0]), v1alpha1.PayloadTrailingCRC64NVME)
		c.Endpoint = page.URL
		for call, err := range calls(t, connect(t, c)) {
			if !errors.Is(err, filestore.ErrUnavailable) {
				t.Errorf("%d, %s: %v", status, call, err)
			}
		}
		if err := connect(t, c).AbortUpload(t.Context(), filestore.UploadRef{Key: "a", UploadID: "b"}); !errors.Is(err, filestore.ErrUnavailable) {
			t.Errorf("%d, AbortUpload: %v", status, err)
		}
	}
}

// TestChecksumOfOtherBytes: a download of the whole object is not begun when the checksum that was
// seen, and may have been shown, is not that of the bytes.
func TestChecksumOfOtherBytes(t *testing.T) {
	sum := "AAAAAAAAAAA="
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
		if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
			w.Header().Set("X-Amz-Checksum-Crc64nvme", sum)
			w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("bytes"))
	}))
	defer backend.Close()
	c := config(server(t, kinds[0]), v1alpha1.PayloadTrailingCRC64NVME)
	c.Endpoint = backend.URL
	store := connect(t, c)
	seen, err := store.Stat(t.Context(), "key")
	if err != nil || seen.Checksum != "crc64nvme:"+sum {
		t.Fatalf("%+v, %v", seen, err)
	}
	all, some := filestore.ByteRange{Length: seen.Size}, filestore.ByteRange{Length: 1}
	open := func(rng filestore.ByteRange) error {
		body, err := store.Open(t.Context(), seen, rng)
		if err == nil {
			err = errors.Join(err, body.Close())
		}
		return err
	}
	if err := errors.Join(open(all), open(some)); err != nil {
		t.Error(err)
	}
	sum = "BBBBBBBBBBA="
	if err := open(all); !errors.Is(err, filestore.ErrPrecondition) {
		t.Errorf("with another checksum: %v", err)
	}
	if err := open(some); err != nil { // its checksum is not shown
		t.Error(err)
	}
}

func TestPartsWaitForTheProbe(t *testing.T) {
	s := connect(t, config(server(t, kinds[0]), ""))
	_, err := s.PutPart(t.Context(), filestore.UploadRef{Key: "a", UploadID: "b"}, 1, bytes.NewReader([]byte("x")), 1)
	if !errors.Is(err, filestore.ErrUnavailable) {
		t.Errorf("PutPart before the first Probe: %v", err)
	}
}

// TestAmbientIdentity: without a Secret, the identity that a cloud gives to the process is used;
// without that, nothing is sent unsigned.
func TestAmbientIdentity(t *testing.T) {
	s := server(t, kinds[0])
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN",
		"AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		t.Setenv(name, "")
	}
	identity := ""
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if identity == "" {
			http.NotFound(w, nil)
			return
		}
		_, _ = io.WriteString(w, identity)
	}))
	defer metadata.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", metadata.URL)
	c := config(s, v1alpha1.PayloadTrailingCRC64NVME)
	c.Credentials = nil
	store := connect(t, c)
	if _, err := store.Probe(t.Context()); !errors.Is(err, filestore.ErrAccessDenied) || !strings.Contains(err.Error(), "credentials.secretRef") {
		t.Errorf("without any identity: %v", err)
	}
	identity = fmt.Sprintf(`{"AccessKeyID":%q,"SecretAccessKey":%q,"Expiration":%q}`, s.AccessKey, s.SecretKey, time.Now().Add(time.Hour).Format(time.RFC3339))
	if _, err := store.Probe(t.Context()); err != nil {
		t.Errorf("with the identity of the container: %v", err)
	}
	identity = ""
	t.Setenv("AWS_ACCESS_KEY_ID", s.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s.SecretKey)
	if _, err := connect(t, c).Probe(t.Context()); err != nil {
		t.Errorf("with the identity of the environment: %v", err)
	}
}

// TestListUploadsPages: nothing is lost and nothing comes twice, wherever pages end, even among the
// uploads of one key.
func TestListUploadsPages(t *testing.T) {
	for _, kind := range kinds {
		s := server(t, kind)
		store := connect(t, config(s, v1alpha1.PayloadTrailingCRC64NVME))
		prefix := fmt.Sprintf("pages/%d/", time.Now().UnixNano())
		keys := map[string]int{"a": 1, "b": 3, "c/d": 2, "c/e": 1, "f": 4, "g": 1}
		if kind == kinds[1] {
			keys = map[string]int{"": 4} // MinIO lists exact keys only
			prefix += "key"
		}
		want := map[filestore.UploadRef]bool{}
		for key, n := range keys {
			for range n {
				id, err := store.CreateUpload(t.Context(), prefix+key, filestore.CreateUploadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				want[filestore.UploadRef{Key: prefix + key, UploadID: id}] = true
			}
		}
		for _, page := range []int{1000, 12, 11, 7, 6, 5} {
			s3.SetUploadsPage(store, page)
			got := map[filestore.UploadRef]int{}
			if err := store.ListUploads(t.Context(), prefix, func(u filestore.Upload) bool { got[u.UploadRef]++; return true }); err != nil {
				t.Errorf("%s, pages of %d: %v", kind, page, err)
			}
			for ref := range want {
				if got[ref] != 1 {
					t.Errorf("%s, pages of %d: %v came %d times", kind, page, ref, got[ref])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s, pages of %d: %d uploads of %d", kind, page, len(got), len(want))
			}
		}
	}
}

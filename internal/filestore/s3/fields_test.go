package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

// TestFieldsKeepTheirPlace: what leaves its place in a URL or a header is refused before anything
// is sent, without a word of what is secret.
func TestFieldsKeepTheirPlace(t *testing.T) {
	good := filestore.Config{
		Endpoint: "https://s3.example.com:9000/", Region: "eu-central-1", Bucket: "iot.files-1", Prefix: "iot/ä b/",
		AddressingStyle: v1alpha1.AddressingVirtualHosted,
		Credentials:     &filestore.Credentials{AccessKeyID: "test:tester/x=", SecretAccessKey: "hunter2 + ü", SessionToken: "a+b/c="},
	}
	for _, change := range []func(*filestore.Config){
		func(*filestore.Config) {},
		func(c *filestore.Config) { c.Region, c.Prefix, c.AddressingStyle, c.Credentials = "", "", "", nil },
		func(c *filestore.Config) { c.Region = "RegionOne" },
		func(c *filestore.Config) { c.Endpoint = "http://[2001:db8::1]:9000" },
		func(c *filestore.Config) { c.Endpoint = "https://my_store.example.com." },
		func(c *filestore.Config) { c.Prefix = ".a/b../" },
	} {
		c := good
		change(&c)
		s, err := s3.New(c)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		s.Close()
	}
	for field, bad := range map[string]struct {
		set    func(c *filestore.Config, value string)
		values []string
	}{
		"endpoint": {func(c *filestore.Config, v string) { c.Endpoint = v }, []string{
			"https://evil.example@s3.example.com", "https://s3.example.com/x", "https://s3.example.com//", "https://s3.example.com?", "https://s3.example.com#",
			"https://s3.example.com:0", "https://s3.example.com:65536", "https://s3.example.com:port", "https://s3%2eexample.com", "https://-s3.example.com",
			"https://s3..example.com", "https://ex ample.com", "https://exämple.com", "https://[fe80::1%25eth0]", "https://:443", "ftp://s3.example.com", "//s3.example.com",
			"https://s3.example.com\r\nX-Evil: yes",
		}},
		"region": {func(c *filestore.Config, v string) { c.Region = v }, []string{
			"x@evil.example:443/#", "x.evil.example", "evil.example/", "a:443", "a?b", "a#b", "-a", "a-", " ", "a b", "a\r\nX-Evil: yes", "ä", "a%2fb", "a/b", strings.Repeat("a", 64),
		}},
		"bucket": {func(c *filestore.Config, v string) { c.Bucket = v }, []string{
			"files@evil", "evil.example:443", "a/b", "a?b", "a..b", "a.-b", "a-.b", "Files", "ab", "1.2.3.4", "files.", "a\nb", strings.Repeat("a", 64),
		}},
		"prefix": {func(c *filestore.Config, v string) { c.Prefix = v }, []string{
			"iot", "/iot/", "/", "a//", "./", "../", "a/../", "a/./b/", "a\x00/", "a\r\n/", "a\x85b\xff/", strings.Repeat("ä", 2048) + "/",
		}},
		"addressing style":  {func(c *filestore.Config, v string) { c.AddressingStyle = v1alpha1.AddressingStyle(v) }, []string{"Host", "path"}},
		"access key":        {func(c *filestore.Config, v string) { c.Credentials.AccessKeyID = v }, []string{"", "hunter2\n", "a,hunter2", "hunter2 b", "ühunter2", strings.Repeat("hunter2", 100)}},
		"secret access key": {func(c *filestore.Config, v string) { c.Credentials.SecretAccessKey = v }, []string{"hunter2\n", "hunter2\r\n"}},
		"session token":     {func(c *filestore.Config, v string) { c.Credentials.SessionToken = v }, []string{"hunter2\n", "hunter2 x", "hunter2\x00", strings.Repeat("hunter2", 4000)}},
	} {
		for _, value := range bad.values {
			c := good
			keys := *good.Credentials
			c.Credentials = &keys
			bad.set(&c, value)
			_, err := s3.New(c)
			if !errors.Is(err, filestore.ErrInvalidConfig) {
				t.Errorf("%s %q: %v", field, value, err)
			} else if strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 400 {
				t.Errorf("%s %q: the message is %q", field, value, err)
			}
		}
	}
}

// webIdentity gives the process a web identity, as a cloud gives it to a pod, and no region: then
// the FileStore's is used.
func webIdentity(t *testing.T) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("the-web-identity-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/iot",
		"AWS_REGION": "", "AWS_ENDPOINT_URL_STS": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "",
	} {
		t.Setenv(name, value)
	}
}

// TestRegionSendsTheWebIdentityNowhere has a host listen that is not the token service, and names
// it in every way in the region. A connection is one too many: the token would follow, encrypted
// for whoever has a certificate of that name.
func TestRegionSendsTheWebIdentityNowhere(t *testing.T) {
	webIdentity(t)
	evil, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := evil.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			_ = conn.Close()
		}
	}()
	address := evil.Addr().String()
	for _, region := range []string{"x@" + address + "/#", "x:y@" + address + "/?", "x@" + address + "#", "cn-x@" + address + "/#"} {
		store, err := s3.New(filestore.Config{Endpoint: "http://" + address, Region: region, Bucket: "files"})
		if err == nil {
			_, err = store.Probe(t.Context())
			store.Close()
		}
		if !errors.Is(err, filestore.ErrInvalidConfig) {
			t.Errorf("region %q: %v", region, err)
		}
	}
	_ = evil.Close()
	<-done
	if n := heard.Load(); n != 0 {
		t.Errorf("the host that the region names was called %d times", n)
	}
}

// TestTokenServiceOfTheEnvironment: the web identity goes to the service that the environment
// names, whatever the FileStore says, and what that gives signs the requests to the store. When it
// is over, the token is read again.
func TestTokenServiceOfTheEnvironment(t *testing.T) {
	webIdentity(t)
	var tokens []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "AssumeRoleWithWebIdentity" || r.Form.Get("RoleArn") != "arn:aws:iam::123456789012:role/iot" {
			t.Errorf("the token service is asked %v, %v", r.Form, err)
		}
		tokens = append(tokens, r.Form.Get("WebIdentityToken"))
		over := time.Now().Add(-time.Minute) // so that each request asks anew
		_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
			<AccessKeyId>temporary-%d</AccessKeyId><SecretAccessKey>hunter2</SecretAccessKey><SessionToken>a-session</SessionToken><Expiration>%s</Expiration>
			</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, len(tokens), over.UTC().Format(time.RFC3339))
	}))
	defer service.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", service.URL)
	var signed []string
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = append(signed, r.Header.Get("Authorization")+" "+r.Header.Get("X-Amz-Security-Token"))
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code><RequestId>1</RequestId></Error>")
	}))
	defer backend.Close()
	store := connect(t, filestore.Config{Endpoint: backend.URL, Region: "eu-central-1", Bucket: "files"})
	for _, token := range []string{"the-web-identity-token", "the-next-token"} {
		if err := os.WriteFile(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Stat(t.Context(), "key"); !errors.Is(err, filestore.ErrNotFound) {
			t.Fatalf("the file is looked for: %v", err)
		}
		last := signed[len(signed)-1]
		if tokens[len(tokens)-1] != token || !strings.Contains(last, fmt.Sprintf("Credential=temporary-%d/", len(tokens))) || !strings.HasSuffix(last, " a-session") {
			t.Errorf("with the token %q, the service got %q, and the request is signed %q", token, tokens, last)
		}
	}
}

// TestTokenServiceGivesNothing: one that is away or fails may be back soon; one that refuses the
// token waits for somebody to act. Both are told from a store that does so.
func TestTokenServiceGivesNothing(t *testing.T) {
	webIdentity(t)
	status := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Code>AccessDenied</Code><Message>a reason</Message></Error></ErrorResponse>`)
	}))
	t.Setenv("AWS_ENDPOINT_URL_STS", service.URL)
	expect := func(what string, kind error) {
		t.Helper()
		_, err := connect(t, filestore.Config{Endpoint: "http://127.0.0.1:1", Region: "eu-central-1", Bucket: "files"}).Stat(t.Context(), "key")
		if !errors.Is(err, kind) || !strings.Contains(filestore.HintOf(err), "the token service gives no keys") {
			t.Errorf("a token service that %s: %v, and the hint is %q", what, err, filestore.HintOf(err))
		}
	}
	status = http.StatusForbidden
	expect("refuses the token", filestore.ErrAccessDenied)
	status = http.StatusServiceUnavailable
	expect("fails", filestore.ErrUnavailable)
	service.Close()
	expect("is away", filestore.ErrUnavailable)
}

// TestRedirectsAreNotFollowed: neither the store nor the service that gives the identity sends a
// request with what is secret on to another place.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		var asked atomic.Int32
		redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
		}))
		keys := &filestore.Credentials{AccessKeyID: "id", SecretAccessKey: "hunter2", SessionToken: "session"}
		for call, err := range calls(t, connect(t, filestore.Config{Endpoint: redirecting.URL, Bucket: "files", Credentials: keys, PayloadMode: v1alpha1.PayloadUnsigned})) {
			if err == nil {
				t.Errorf("%d, %s: no error", status, call)
			}
		}
		for _, name := range []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
			t.Setenv(name, "")
		}
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", redirecting.URL+"/identity")
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-pod-identity-token")
		before := asked.Load()
		if _, err := connect(t, filestore.Config{Endpoint: "http://127.0.0.1:1", Bucket: "files"}).Stat(t.Context(), "key"); err == nil {
			t.Errorf("%d: there is an identity", status)
		}
		if asked.Load() == before {
			t.Errorf("%d: the service of the identity was not asked: the test shows nothing", status)
		}
		redirecting.Close()
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests were sent on", n)
	}
}

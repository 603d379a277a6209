package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// line is the line of a check, "" where there is none.
func checkLine(out, check string) string {
	for line := range strings.Lines(out) {
		if fields := strings.SplitN(line, " ", 2); len(fields) == 2 && strings.HasPrefix(strings.TrimLeft(fields[1], " "), check+" ") {
			return line
		}
	}
	return ""
}

// finds runs doctor, and compares what it says of some checks: state, and a text.
func (c *shellOf) finds(t *testing.T, status int, wants map[string][2]string, args ...string) {
	t.Helper()
	if !slices.Contains(args, "--probe-time") && !slices.Contains(args, "--store") {
		args = append(args, "--probe-time", "0") // which few tests are about, and all would wait for
	}
	out, _ := c.run(t, status, append([]string{"doctor"}, args...)...)
	for check, want := range wants {
		line := checkLine(out, check)
		if !strings.HasPrefix(line, want[0]+" ") || !strings.Contains(line, want[1]) {
			t.Errorf("%q: %s is %q, not %q with %q, in:\n%s", args, check, line, want[0], want[1], out)
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "failure ") && !strings.Contains(out[strings.Index(out, line)+len(line):][:30], "->") {
			t.Errorf("no remedy follows: %s", line)
		}
	}
}

// TestDoctorOnTheSound: all that can be checked is ok, and what cannot be is unknown.
func TestDoctorOnTheSound(t *testing.T) {
	c := newShell(t)
	f := c.newFile("")
	c.finds(t, 0, map[string][2]string{
		"Kubernetes API": {"ok", c.ControlPlane.URL}, "kinds": {"ok", "v1alpha1"}, "operator": {"unknown", "without leader election"}, "FileStore": {"ok", "default"},
		"reaper": {"unknown", "no upload"}, "address": {"ok", c.URL}, "REST API": {"ok", c.URL}, "clock": {"ok", "less than"}, "token": {"ok", "sample-app"},
		"rights": {"ok", "get, list, create, update, delete"}, "body size": {"ok", "17 MiB"}, "framing": {"ok", "length"}, "buffering": {"ok", "as it comes"},
		"expect": {"ok", "refused before"}, "paths": {"ok", "%2F"}, "pause": {"ok", "2s"}, "slow body": {"ok", "2s"}, "version": {"ok", version.Number()},
	}, "--entity", f.entity, "--probe-time", "2s")
	out, _ := c.run(t, 0, "doctor", "--probe-time", "0", "-o", "jsonpath={.items[*].state}")
	if strings.Contains(out, "failure") || !strings.Contains(out, "unknown") {
		t.Errorf("the states are %s", out)
	}
	eventually(t, "nothing of the probe is left", func() error {
		if out, _ := c.run(t, 0, "uploads", "-o", "name"); strings.Contains(out, ".iotfile-doctor") {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
}

// TestDoctorOnBrokenWays has each check of the way fail.
func TestDoctorOnBrokenWays(t *testing.T) {
	c := newShell(t)
	through := func(change func(w http.ResponseWriter, r *http.Request, on http.Handler)) string {
		on := forwarder(t, c.URL)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { change(w, r, on) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	for name, tt := range map[string]struct {
		server string
		wants  map[string][2]string
		status int
	}{
		"nobody":       {"http://" + nobody, map[string][2]string{"address": {"failure", "refused"}, "REST API": {"unknown", ""}, "rights": {"unknown", ""}, "body size": {"unknown", ""}}, 1},
		"no such name": {"http://no-such-host.invalid", map[string][2]string{"address": {"failure", "no-such-host"}}, 1},
		"another server": {through(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Server", "elsewhere")
			http.NotFound(w, nil)
		}), map[string][2]string{"REST API": {"failure", "Server: elsewhere"}, "token": {"unknown", ""}}, 1},
		"a body limit": {through(func(w http.ResponseWriter, r *http.Request, on http.Handler) {
			if r.ContentLength > 1<<20 {
				w.Header().Set("Server", "small-gateway")
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			on.ServeHTTP(w, r)
		}), map[string][2]string{"body size": {"failure", "a hop in between (Server: small-gateway) answers 413"}, "framing": {"unknown", ""}}, 1},
		"chunks": {through(func(w http.ResponseWriter, r *http.Request, on http.Handler) {
			if r.ContentLength > 1<<20 {
				r.ContentLength = -1
				r.Header.Del("Content-Length")
			}
			on.ServeHTTP(w, r)
		}), map[string][2]string{"framing": {"failure", "without their length"}}, 1},
		"buffers": {through(func(w http.ResponseWriter, r *http.Request, on http.Handler) {
			if r.ContentLength > 0 && r.ContentLength <= 1<<20 {
				whole, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(whole))
			}
			on.ServeHTTP(w, r)
		}), map[string][2]string{"buffering": {"warning", "a hop keeps each part"}, "expect": {"warning", "before it knows"}, "pause": {"unknown", "--probe-time 0"}}, 0},
		"a cut": {through(func(w http.ResponseWriter, r *http.Request, on http.Handler) {
			if r.ContentLength > 1<<20 {
				panic(http.ErrAbortHandler)
			}
			on.ServeHTTP(w, r)
		}), map[string][2]string{"body size": {"failure", "got no answer"}}, 1},
		"a wrong clock": {through(func(w http.ResponseWriter, r *http.Request, on http.Handler) {
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			rewritten := on.(*httputil.ReverseProxy)
			rewritten.ModifyResponse = func(a *http.Response) error { a.Header.Del("Date"); return nil }
			rewritten.ServeHTTP(w, r)
		}), map[string][2]string{"clock": {"failure", "ahead of the server"}}, 1},
	} {
		t.Run(name, func(t *testing.T) { c.finds(t, tt.status, tt.wants, "--server", tt.server) })
	}
}

// TestDoctorOnCertificates has the look at the certificate fail in each way.
func TestDoctorOnCertificates(t *testing.T) {
	c := newShell(t)
	for name, tt := range map[string]struct {
		change      func(*x509.Certificate)
		trust       bool
		state, want string
		status      int
	}{
		"sound":        {func(*x509.Certificate) {}, true, "ok", "good until", 0},
		"not trusted":  {func(*x509.Certificate) {}, false, "failure", "unknown authority", 1},
		"another name": {func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"files.example.com"} }, true, "failure", "127.0.0.1", 1},
		"expired":      {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, true, "failure", "expired", 1},
		"about to end": {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) }, true, "warning", "good until", 0},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
			check(t, err)
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
				IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}
			tt.change(template)
			raw, err := x509.CreateCertificate(crand.Reader, template, template, key.Public(), key)
			check(t, err)
			server := httptest.NewUnstartedServer(forwarder(t, c.URL))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
			server.StartTLS()
			t.Cleanup(server.Close)
			args := []string{"--server", server.URL}
			if tt.trust {
				c.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
				args = append(args, "--ca-file", name)
			}
			c.finds(t, tt.status, map[string][2]string{"address": {tt.state, tt.want}}, args...)
		})
	}
}

// TestDoctorOnBrokenClusters has each check of the cluster and of the caller fail.
func TestDoctorOnBrokenClusters(t *testing.T) {
	c := newShell(t)
	own := *c
	own.env = append(without(c.env, "KUBECONFIG"), "KUBECONFIG=missing")
	own.finds(t, 1, map[string][2]string{"Kubernetes API": {"failure", ""}, "kinds": {"unknown", ""}, "FileStore": {"unknown", ""}, "address": {"ok", ""}})

	own.env = append(without(c.env, "IOTFILE_TOKEN"), "IOTFILE_TOKEN=nonsense")
	own.finds(t, 1, map[string][2]string{"token": {"failure", "from $IOTFILE_TOKEN"}, "rights": {"unknown", ""}, "body size": {"unknown", ""}})
	own.finds(t, 1, map[string][2]string{"rights": {"failure", "you may do nothing"}, "buffering": {"unknown", ""}}, "--as-sa", "default/default", "--token-file", "")

	records, err := dynamic.NewForConfig(c.ControlPlane.RESTConfig())
	check(t, err)
	stores := records.Resource(v1alpha1.GroupVersion.WithResource("filestores"))
	annotate := func(value string) {
		_, err := stores.Patch(t.Context(), "default", types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+v1alpha1.AnnotationDefaultStore+`":`+value+`}}}`), metav1.PatchOptions{})
		check(t, err)
	}
	annotate("null")
	defer annotate(`"true"`)
	c.finds(t, 1, map[string][2]string{"FileStore": {"failure", "no FileStore is the default one"}, "protection": {"unknown", ""}})
}

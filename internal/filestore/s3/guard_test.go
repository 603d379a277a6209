package s3_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
)

func guarded(endpoint string) filestore.Config {
	return filestore.Config{Endpoint: endpoint, Bucket: "files", Credentials: &filestore.Credentials{AccessKeyID: "id", SecretAccessKey: "hunter2"}}
}

func checkNotAllowed(t *testing.T, what string, err error) {
	t.Helper()
	var config *filestore.ConfigError
	if !errors.As(err, &config) || !errors.Is(err, filestore.ErrEndpointNotAllowed) || config.Reason != v1alpha1.ReasonEndpointNotAllowed {
		t.Errorf("%s: %v", what, err)
	} else if !strings.Contains(config.Message, "--allow-local-endpoints") {
		t.Errorf("%s: the message does not say what to do: %q", what, config.Message)
	}
}

// TestGuardRefusesEndpoints: an endpoint that names what only the operator can reach is refused
// before anything is sent, however the address is written.
func TestGuardRefusesEndpoints(t *testing.T) {
	guard := s3.NewGuard(false, "10.96.0.1", "", "Api.Example.com.", "fd00:10:96::1")
	for _, endpoint := range []string{
		"http://127.0.0.1", "http://127.8.9.10:9000", "http://[::1]:9000", "http://localhost:9000", "http://LOCALHOST.", "https://x.localhost",
		"http://0.0.0.0:9000", "http://0.1.2.3", "http://[::]:9000", "http://[::ffff:127.0.0.1]",
		"http://169.254.169.254", "http://169.254.170.2", "http://[fe80::1]", "http://[::ffff:169.254.169.254]", "http://[64:ff9b::a9fe:a9fe]", "http://[2002:7f00:1::]",
		"http://[fd00:ec2::254]", "http://[fd20:ce::254]", "http://168.63.129.16", "http://100.100.100.200", "http://192.0.0.192",
		"http://224.0.0.1", "http://[ff02::1]", "http://255.255.255.255",
		"https://10.96.0.1", "https://10.96.0.1:9000", "https://api.example.com", "https://API.example.com.:6443", "https://[fd00:10:96::1]", "https://[::ffff:10.96.0.1]",
	} {
		_, err := guard.New(guarded(endpoint))
		checkNotAllowed(t, endpoint, err)
		if s, err := s3.NewGuard(true, "10.96.0.1", "api.example.com").New(guarded(endpoint)); err != nil {
			t.Errorf("%s, with the flag: %v", endpoint, err)
		} else {
			s.Close()
		}
	}
	for _, endpoint := range []string{
		"http://10.96.0.2:9000", "http://192.168.1.1", "https://s3.eu-central-1.amazonaws.com", "http://minio.minio.svc:9000", "http://[fd00::1]", "http://[64:ff9b::808:808]", "http://localhost.example.com",
	} {
		s, err := guard.New(guarded(endpoint))
		if err != nil {
			t.Errorf("%s: %v", endpoint, err)
			continue
		}
		s.Close()
	}
}

// TestGuardLooksAtTheConnection has a harmless name lead to what is refused. What counts is the
// address that a connection is made to, each time: so a name that changes its address after it was
// looked at, DNS rebinding, gains nothing.
func TestGuardLooksAtTheConnection(t *testing.T) {
	var reached atomic.Int32
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer victim.Close()
	_, port, err := net.SplitHostPort(victim.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var address atomic.Value
	address.Store([]byte{127, 0, 0, 1})
	nameServer(t, func() []byte { return address.Load().([]byte) })
	connected := func(guard *s3.Guard) filestore.Store {
		c := guarded("http://store.example.com:" + port)
		c.PayloadMode = v1alpha1.PayloadUnsigned
		store, err := guard.New(c)
		if err != nil {
			t.Fatalf("a name alone is refused: %v", err)
		}
		t.Cleanup(store.Close)
		return store
	}
	for call, err := range calls(t, connected(s3.NewGuard(false))) {
		checkNotAllowed(t, call, err)
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests have reached the pod itself", n)
	}
	if _, err := connected(s3.NewGuard(true)).Stat(t.Context(), "key"); errors.Is(err, filestore.ErrEndpointNotAllowed) || reached.Load() == 0 {
		t.Errorf("with the flag: %v, and %d requests: the name leads nowhere, and the test shows nothing", err, reached.Load())
	}
	address.Store([]byte{192, 0, 2, 1})
	_, err = connected(s3.NewGuard(false, "api.example.com")).Stat(t.Context(), "key")
	checkNotAllowed(t, "the API server by another name", err)
}

// TestGuardLetsAProxyBeAnywhere: a proxy is the platform team's choice, and may be in the pod. A
// process reads its proxy once, so this one runs in another.
func TestGuardLetsAProxyBeAnywhere(t *testing.T) {
	const inChild = "IOTFILE_TEST_PROXY"
	if os.Getenv(inChild) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inChild+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Host)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	store, err := s3.NewGuard(false).New(guarded("http://store.example.com:9000"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if _, err := store.Stat(t.Context(), "key"); !errors.Is(err, filestore.ErrUnavailable) || asked.Load() != "store.example.com:9000" {
		t.Errorf("%v, and the proxy was asked for %v", err, asked.Load())
	}
	_, err = s3.NewGuard(false).New(guarded("http://169.254.169.254"))
	checkNotAllowed(t, "an address, through a proxy", err)
}

// nameServer has all names of the process lead to one IPv4 address.
func nameServer(t *testing.T, address func() []byte) {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(dnsAnswer(buf[:n], address()), from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = conn.Close()
		<-done
	})
}

// dnsAnswer answers a question of one name, of RFC 1035: with the address if it is for type A, else
// with nothing.
func dnsAnswer(query, address []byte) []byte {
	const header, typeA = 12, 1
	end := header
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root, type and class
	answers := byte(0)
	if query[end-3] == typeA {
		answers = 1
	}
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, query[header:end]...)
	if answers == 1 {
		out = append(out, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, byte(len(address)))
		out = append(out, address...)
	}
	return out
}

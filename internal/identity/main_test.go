package identity_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/identity"
)

// plane is a real control plane: its authentication and its RBAC are what is tested against.
var plane *devcluster.ControlPlane

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("these tests need an API server: skipped with -short")
		return
	}
	klog.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "iotfile-identity-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	plane, err = devcluster.StartControlPlane(ctx, devcluster.ControlPlaneOptions{Dir: dir, UnsafeNoFsync: true, Log: os.Stderr})
	if err != nil {
		return 0, err
	}
	code := m.Run()
	return code, plane.Stop()
}

// bench is a Reviewer and the line between it and the API server.
type bench struct {
	*identity.Reviewer
	mu sync.Mutex
	// asked counts requests by the last element of their path.
	asked map[string]int
	// down cuts the line; slow delays every answer.
	down atomic.Bool
	slow atomic.Int64
	// young, where it is set, says what the API server answers a request with while it has just
	// started; 0 for what it answers by now.
	young func(resource string) (status int, body string)
}

func newBench(t *testing.T, change func(*identity.Options)) *bench {
	t.Helper()
	kubeconfig, err := plane.OperatorKubeconfig(t.Context())
	must(t, err)
	b := &bench{asked: map[string]int{}}
	config := operatorConfig(t, kubeconfig)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			b.mu.Lock()
			b.asked[path.Base(r.URL.Path)]++
			b.mu.Unlock()
			time.Sleep(time.Duration(b.slow.Load()))
			if b.down.Load() {
				return nil, errors.New("the API server is down")
			}
			if b.young != nil {
				if status, body := b.young(path.Base(r.URL.Path)); status != 0 {
					return &http.Response{
						StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
						Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
					}, nil
				}
			}
			return next.RoundTrip(r)
		})
	})
	o := identity.Options{Config: config}
	if change != nil {
		change(&o)
	}
	b.Reviewer, err = identity.New(o)
	must(t, err)
	return b
}

func (b *bench) count(resource string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[resource]
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is one with the header Authorization.
func request(t *testing.T, authorization string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
	must(t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

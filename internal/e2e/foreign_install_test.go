package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster/mindconnect"
)

// installPackages installs the npm packages of the lock file in a directory of this package, and
// skips the test where there is no Node.js.
func installPackages(t *testing.T, from string) string {
	t.Helper()
	var files [2][]byte
	for i, name := range []string{"package.json", "package-lock.json"} {
		var err error
		if files[i], err = os.ReadFile(filepath.Join(from, name)); err != nil {
			t.Fatal(err)
		}
	}
	return installed(t, func(ctx context.Context) (string, error) {
		return devcluster.InstallPackages(ctx, filepath.Base(from), files[0], files[1])
	})
}

func installed(t *testing.T, install func(context.Context) (string, error)) string {
	t.Helper()
	dir, err := install(t.Context())
	if errors.Is(err, devcluster.ErrNoNode) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// installForeign installs the foreign client, and skips the test where there is no Node.js.
func installForeign(t *testing.T) string {
	t.Helper()
	return installed(t, mindconnect.Install)
}

// foreignClient is a foreign client behind a wiretap.
type foreignClient struct {
	*wiretap
	process *mindconnect.Client
}

// options are the optional parameters of the client's methods.
type options = mindconnect.Options

func startForeign(t *testing.T, installed string, tn *tenant) *foreignClient {
	t.Helper()
	c := &foreignClient{wiretap: tap(t)}
	gateway := c.url()
	if tn.namespace != "default" {
		gateway += "/namespaces/" + tn.namespace
	}
	var err error
	if c.process, err = mindconnect.Start(context.WithoutCancel(t.Context()), installed, gateway, tn.token); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.process.Stop(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return c
}

// outcome is what a method of the client came to.
type outcome mindconnect.Outcome

// into decodes the value.
func (o outcome) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(o.Value, v); err != nil {
		t.Fatalf("%s: %v", o.Value, err)
	}
}

// call calls a method.
func (c *foreignClient) call(t *testing.T, method string, args ...any) outcome {
	t.Helper()
	o, err := c.process.Call(method, args...)
	if err != nil {
		t.Fatal(err)
	}
	return outcome(o)
}

// ok calls a method that succeeds.
func (c *foreignClient) ok(t *testing.T, method string, args ...any) outcome {
	t.Helper()
	o := c.call(t, method, args...)
	if o.Error != "" {
		t.Fatalf("%s: %s", method, o.Error)
	}
	return o
}

// fails calls a method that fails with an error that holds all of texts.
func (c *foreignClient) fails(t *testing.T, texts []string, method string, args ...any) {
	t.Helper()
	o := c.call(t, method, args...)
	for _, text := range texts {
		if !strings.Contains(o.Error, text) {
			t.Errorf("%s: the error does not tell of %q: %q", method, text, o.Error)
		}
	}
}

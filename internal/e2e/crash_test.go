package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
)

// crashPlan is a piece of work in whose middle operators die. run prepares, has one die by calling
// die with what makes it work, sends again what a real client would, and looks at the end from
// outside.
type crashPlan struct {
	name string
	// points at which an operator dies, as failpoint.Variable describes them.
	points []string
	run    func(c *crash)
}

// crash is one death of an operator, and what led to it.
type crash struct {
	*file
	t *testing.T
	// point at which the operator dies.
	point string
}

// TestCrashPoints walks all points of internal/failpoint on every object store: the process ends
// there, a new one starts, and the end is right.
func TestCrashPoints(t *testing.T) {
	startCrashWalk(t)
	onEachStore(t, func(t *testing.T, tn *tenant) {
		var keys []string
		for _, plan := range crashPlans {
			t.Run(plan.name, func(t *testing.T) {
				for _, point := range plan.points {
					t.Run(point, func(t *testing.T) {
						began := time.Now()
						f := tn.newFile("crash.bin")
						keys = append(keys, tn.namespace+"/"+f.entity+"/"+f.path)
						plan.run(&crash{file: f, t: t, point: point})
						t.Logf("%-10s %-20s %-24s right after %.1fs", tn.store.Kind, plan.name, point, time.Since(began).Seconds())
					})
				}
			})
		}
		if t.Failed() {
			return
		}
		for _, key := range keys {
			(&crash{file: tn.newFile(""), t: t}).noneOpen(key)
		}
		crashCollect(t, tn)
	})
}

// Every point is in a plan; that each plan reaches its points is seen when it runs.
func TestEveryFailpointHasAPlan(t *testing.T) {
	planned := map[failpoint.Name]bool{failpoint.RecordCollected: true} // crashCollect
	for _, plan := range crashPlans {
		for _, point := range plan.points {
			name, _, _ := strings.Cut(point, "=")
			planned[failpoint.Name(name)] = true
		}
	}
	for _, name := range failpoint.All() {
		if !planned[name] {
			t.Errorf("no plan reaches %s", name)
		}
		delete(planned, name)
	}
	for name := range planned {
		t.Errorf("%s is missing in failpoint.All", name)
	}
}

// armed is the file that names the point at which the operator dies.
var armed string

// startCrashWalk replaces the system's operator by one that can be made to die, until the test
// ends.
func startCrashWalk(t *testing.T) {
	t.Helper()
	armed = filepath.Join(t.TempDir(), "armed")
	useQuickSweep(t, func(o *devcluster.OperatorOptions) {
		o.LeaderElect = false // it is alone, and a dead one does not give its lease back
		o.Env = append(slices.Clone(o.Env), failpoint.Variable+"="+armed)
	})
}

// die arms the point, has act make the operator work, waits until it has died at the point, and
// starts another one.
func (c *crash) die(act func(ctx context.Context)) {
	c.t.Helper()
	next := armed + ".next"
	if err := os.WriteFile(next, []byte(c.point), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, armed); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	acted := make(chan struct{})
	go func() {
		defer close(acted)
		act(ctx)
	}()
	select {
	case <-system.operator.Done():
	case <-time.After(timeout):
		_ = os.Remove(armed)
		c.t.Fatalf("%s was not reached within %s", c.point, timeout)
	}
	cancel()
	<-acted
	var exit *exec.ExitError
	if err := system.operator.Wait(c.t.Context()); !errors.As(err, &exit) || exit.ExitCode() != failpoint.ExitStatus {
		c.t.Fatalf("the operator ended with %v, not at %s", err, c.point)
	}
	httpClient.CloseIdleConnections()
	operator, err := devcluster.StartOperator(c.t.Context(), system.options)
	if err != nil {
		c.t.Fatal(err)
	}
	system.operator = operator
}

// dying sends a request whose answer gets lost. An operator can die right after it has answered, so
// an answer is no error.
func (c *crash) dying(method, query string, body []byte, header ...string) {
	c.t.Helper()
	c.die(func(ctx context.Context) { _, _ = c.do(ctx, method, c.url("files", query), body, header...) })
}

// at reports whether the operator died at one of the points.
func (c *crash) at(points ...failpoint.Name) bool {
	name, _, _ := strings.Cut(c.point, "=")
	return slices.Contains(points, failpoint.Name(name))
}

// holds makes sure that the file has the content and version.
func (c *crash) holds(content []byte, version string) {
	c.t.Helper()
	a := c.must(c.t, 200, "GET", "", nil)
	if string(a.body) != string(content) || a.header.Get("ETag") != version {
		c.t.Errorf("after %s the file has version %s and %d bytes; expected are version %s and %d bytes, and those that were sent", c.point, a.header.Get("ETag"), len(a.body), version, len(content))
	}
}

// recordCompleted makes sure that the file's record says that it is completed, and is kept by
// nothing.
func (c *crash) recordCompleted(size int) {
	c.t.Helper()
	eventually(c.t, "the record is complete", func() error {
		u, err := c.record(c.t.Context())
		switch {
		case err != nil:
			return err
		case u.Status.Phase != v1alpha1.PhaseCompleted || u.Status.Size == nil || *u.Status.Size != int64(size):
			return fmt.Errorf("the status is %+v", u.Status)
		case len(u.Finalizers) > 0:
			return fmt.Errorf("the finalizers are %v", u.Finalizers)
		}
		return nil
	})
}

// noneOpen waits until object storage shows no open upload of the key.
func (c *crash) noneOpen(key string) {
	c.t.Helper()
	eventually(c.t, "nothing is left in object storage", func() error {
		uploads, err := c.s3.ListMultipartUploads(c.t.Context(), bucket, key, "", "", "", 1000)
		if err != nil || len(uploads.Uploads) > 0 {
			return errors.Join(fmt.Errorf("%d uploads of %s are open", len(uploads.Uploads), key), err)
		}
		return nil
	})
}

// gone waits until there is no record of that name.
func (c *crash) gone(name string) {
	c.t.Helper()
	eventually(c.t, "the record goes", func() error {
		u := &v1alpha1.MultipartUpload{}
		err := system.kube.Get(c.t.Context(), client.ObjectKey{Namespace: c.namespace, Name: name}, u)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("it is there, with phase %s and finalizers %v", u.Status.Phase, u.Finalizers))
	})
}

// crashCollect has an operator die while it collects the records of what the walk has finished; it
// comes last, because only records show all object stores where to look for orphans.
func crashCollect(t *testing.T, tn *tenant) {
	t.Run("collect/"+string(failpoint.RecordCollected), func(t *testing.T) {
		name := string(tn.store.Kind)
		c := &crash{file: tn.newFile("collected.bin"), t: t, point: string(failpoint.RecordCollected)}
		c.must(t, 201, "PUT", "?upload=start", nil)
		c.must(t, 201, "PUT", "?upload=complete", []byte("x"))
		c.recordCompleted(1)
		ttl := func(value string) {
			tn.kubectl(t, "", "patch", "filestore", name, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"finishedTTL":%q}}`, value))
		}
		defer func() {
			ttl("1h")
			tn.waitReady(t)
		}()
		c.die(func(context.Context) { ttl("0s") })
		c.waitNoRecord(t)
		c.holds([]byte("x"), "0")
	})
}

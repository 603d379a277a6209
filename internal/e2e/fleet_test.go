package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// fleet is three operators on one control plane, which take the place of the system's one until the
// test ends.
type fleet struct {
	t        *testing.T
	options  devcluster.OperatorOptions
	replicas [3]*devcluster.Operator
}

func newFleet(t *testing.T, flags ...string) *fleet {
	t.Helper()
	before := system.options
	if err := system.operator.Stop(); err != nil {
		t.Fatal(err)
	}
	fl := &fleet{t: t, options: before}
	fl.options.Args = append(append([]string{}, before.Args...), flags...)
	t.Cleanup(func() {
		for _, o := range fl.replicas {
			if o == nil {
				continue
			}
			_ = syscall.Kill(o.PID(), syscall.SIGCONT)
			if t.Failed() {
				showLog(o.LogPath)
			}
			_ = o.Stop()
		}
		// One that was killed may have had it for longer than the next test waits.
		_ = system.kube.Delete(context.Background(), &coordinationv1.Lease{ObjectMeta: leaseKey})
		httpClient.CloseIdleConnections()
		var err error
		if system.operator, err = devcluster.StartOperator(context.WithoutCancel(t.Context()), before); err != nil {
			t.Fatal(err)
		}
	})
	for i := range fl.replicas {
		fl.start(t, i)
	}
	return fl
}

// start starts replica i, with more flags than the others have.
func (fl *fleet) start(t *testing.T, i int, flags ...string) {
	t.Helper()
	fl.startAs(t, i, fl.options.Kubeconfig, flags...)
}

func (fl *fleet) startAs(t *testing.T, i int, kubeconfig string, flags ...string) {
	t.Helper()
	options := fl.options
	options.Name = fmt.Sprintf("replica-%d", i)
	options.Kubeconfig = kubeconfig
	options.Args = append(append([]string{}, options.Args...), flags...)
	httpClient.CloseIdleConnections()
	o, err := devcluster.StartOperator(context.WithoutCancel(fl.t.Context()), options)
	if err != nil {
		t.Fatal(err)
	}
	fl.replicas[i] = o
	if i == 0 {
		system.operator = o // whom the helpers of other tests ask
	}
}

var leaseKey = metav1.ObjectMeta{Namespace: devcluster.OperatorNamespace, Name: "iotfile-operator"}

// leader waits until a replica leads that is none of those given, and returns its number.
func (fl *fleet) leader(t *testing.T, not ...int) int {
	t.Helper()
	found := -1
	eventually(t, "a replica leads", func() error {
		for i := range fl.replicas {
			if !slices.Contains(not, i) && fl.leads(t, i) {
				found = i
				return nil
			}
		}
		return fmt.Errorf("none leads but %v", not)
	})
	return found
}

// leads reports whether replica i reconciles, as its metrics tell.
func (fl *fleet) leads(t *testing.T, i int) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // it may be suspended
	defer cancel()
	text, err := fetchText(ctx, fl.replicas[i].MetricsURL+"/metrics")
	return err == nil && strings.Contains(text, "\niotfile_leader 1\n")
}

// others are the two replicas that are not i.
func others(i int) (int, int) { return (i + 1) % 3, (i + 2) % 3 }

// lead makes replica i the leader: the others end, and are started again.
func (fl *fleet) lead(t *testing.T, i int) {
	t.Helper()
	a, b := others(i)
	for _, other := range []int{a, b} {
		if err := fl.replicas[other].Stop(); err != nil {
			t.Fatal(err)
		}
	}
	fl.leader(t, a, b)
	fl.start(t, a)
	fl.start(t, b)
}

// through is the URL of the file at replica i.
func (fl *fleet) through(i int, f *file, kind, query string) string {
	return strings.Replace(f.url(kind, query), system.operator.URL, fl.replicas[i].URL, 1)
}

func (fl *fleet) must(t *testing.T, i int, f *file, status int, method, query string, body []byte, header ...string) *answer {
	t.Helper()
	return f.mustAt(t, status, method, fl.through(i, f, "files", query), body, header...)
}

// resumes sends a request through replica i as a good client does, until it is answered with
// status: again when it is told to.
func (fl *fleet) resumes(t *testing.T, i int, f *file, status int, query string, body []byte) {
	t.Helper()
	eventually(t, query+" is answered", func() error {
		a, err := f.do(t.Context(), put, fl.through(i, f, "files", query), body, "Idempotency-Key", f.entity)
		switch {
		case err != nil:
			return err
		case a.status == 503 && a.header.Get("Retry-After") != "":
			return fmt.Errorf("%d %s", a.status, a.body)
		case a.status != status:
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		return nil
	})
}

// flight is a part of which the first half is sent.
type flight struct {
	what   string
	write  *io.PipeWriter
	rest   []byte
	landed chan landing
}

type landing struct {
	status int
	err    error
}

// fly sends half of a part through replica i. It returns when the replica has admitted it.
func (fl *fleet) fly(t *testing.T, i int, f *file, n int, content []byte) *flight {
	t.Helper()
	read, write := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), put, fl.through(i, f, "files", fmt.Sprintf("?part=%d", n)), read)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(content))
	req.Header.Set("Authorization", "Bearer "+f.token)
	req.Header.Set("Expect", "100-continue") // so that no byte is taken before the part is admitted
	half := len(content) / 2
	p := &flight{
		what: fmt.Sprintf("part %d of %s through replica %d", n, f.namespace, i), write: write, rest: content[half:], landed: make(chan landing, 1),
	}
	go func() {
		transport := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Hour}
		res, err := transport.RoundTrip(req)
		if err != nil {
			_ = read.CloseWithError(err)
			p.landed <- landing{err: err}
			return
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode >= 400 {
			err = errors.New(string(body))
		}
		_ = read.Close()
		p.landed <- landing{res.StatusCode, err}
	}()
	if _, err := io.Copy(write, bytes.NewReader(content[:half])); err != nil {
		t.Fatalf("%s: %v", p.what, err)
	}
	return p
}

// lands sends the other half, which must be answered with 201.
func (p *flight) lands(t *testing.T) {
	t.Helper()
	if _, err := p.write.Write(p.rest); err != nil {
		t.Errorf("%s was cut: %v", p.what, err)
	}
	_ = p.write.Close()
	if l := p.wait(t); l.status != 201 {
		t.Errorf("%s: %d %v", p.what, l.status, l.err)
	}
}

// fails makes sure that the part, whose other half is never sent, has failed. Its replica has
// ended.
func (p *flight) fails(t *testing.T) {
	t.Helper()
	_ = p.write.CloseWithError(errors.New("the replica is gone")) // the transport waits for its body
	if l := p.wait(t); l.err == nil {
		t.Errorf("%s: %d", p.what, l.status)
	}
}

func (p *flight) wait(t *testing.T) landing {
	t.Helper()
	select {
	case l := <-p.landed:
		return l
	case <-time.After(timeout):
		t.Fatalf("%s: no answer", p.what)
		panic("not reached")
	}
}

// ends waits until replica i has ended with status 0.
func (fl *fleet) ends(t *testing.T, i int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if err := fl.replicas[i].Wait(ctx); err != nil {
		t.Errorf("replica %d ended with %v", i, err)
	}
}

// losesLease waits until replica i has ended, as one does that has lost the lease and has nothing
// in flight.
func (fl *fleet) losesLease(t *testing.T, i int) {
	t.Helper()
	select {
	case <-fl.replicas[i].Done():
	case <-time.After(timeout):
		t.Fatalf("replica %d goes on", i)
	}
	log, err := os.ReadFile(fl.replicas[i].LogPath)
	if err != nil {
		t.Fatal(err)
	}
	if fault := fl.replicas[i].Fault(); fault == nil || !bytes.Contains(log, []byte("leader election lost")) {
		t.Errorf("replica %d ended with %v, and does not log why", i, fault)
	}
}

// drains waits until replica i, which has parts in flight, is not ready, and makes sure that it is
// alive, to whoever probes that, when it is.
func (fl *fleet) drains(t *testing.T, i int) {
	t.Helper()
	eventually(t, "it is not ready", func() error {
		fl.alive(t, i)
		status, err := probed(t, fl.replicas[i], "/readyz")
		if err == nil && status == 200 {
			return errors.New("it is")
		}
		return err
	})
	fl.alive(t, i)
}

func (fl *fleet) alive(t *testing.T, i int) {
	t.Helper()
	if status, err := probed(t, fl.replicas[i], "/healthz"); err != nil || status != 200 {
		t.Fatalf("/healthz of replica %d: %d %v", i, status, err)
	}
}

// probed is the status of a probe of the replica: /readyz or /healthz.
func probed(t *testing.T, o *devcluster.Operator, path string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.HealthURL+path, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

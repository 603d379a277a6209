package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// drainDelay of a fleet: time enough for a client to see that a replica is not ready, and still
// served.
const drainDelay = 5 * time.Second

// TestReplicas: any replica does anything, and one that is terminated is missed by nobody. The
// lease lasts longer than the test: who leads next does so because it was released.
func TestReplicas(t *testing.T) {
	fl := newFleet(t, "--lease-duration=600s", "--drain-delay="+drainDelay.String(), "--grace-period=120s")
	for _, tn := range system.tenants {
		tn.waitReady(t)
	}
	// Each leaves all replicas running for the next.
	_ = t.Run("any replica", fl.testAny) && t.Run("terminated", fl.testTerminated) && t.Run("cut", fl.testCut) && t.Run("assembly cut", fl.testAssemblyCut)
}

// Any replica takes any part at once after a start at another, a completion at a third, and serves
// the file.
func (fl *fleet) testAny(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		for round := range 6 {
			a, b, c := round%3, (round+1+round/3)%3, (round+2+2*(round/3))%3
			f := tn.newFile("any.bin")
			content := random(2*smallest + 7)
			fl.must(t, a, f, 201, put, "?upload=start", nil)
			var parts errgroup.Group
			for n, replica := range []int{b, c} {
				parts.Go(func() error {
					got, err := f.do(t.Context(), put, fl.through(replica, f, "files", fmt.Sprintf("?part=%d", n+1)), content[n*smallest:(n+1)*smallest])
					if err == nil && got.status != 201 {
						err = fmt.Errorf("%d %s", got.status, got.body)
					}
					return err
				})
			}
			if err := parts.Wait(); err != nil {
				t.Fatalf("a part right after the start at replica %d: %v", a, err)
			}
			fl.must(t, c, f, 201, put, "?upload=complete", content[2*smallest:])
			for i := range fl.replicas {
				if got := fl.must(t, i, f, 200, http.MethodGet, "", nil); !bytes.Equal(got.body, content) || got.header.Get("ETag") != "0" {
					t.Errorf("replica %d gives %d other bytes than the %d that were sent, ETag %s", i, len(got.body), len(content), got.header.Get("ETag"))
				}
				fl.must(t, i, f, 409, put, "?part=1", content[:smallest])
			}
		}
	})
}

// The leader is terminated while parts are on their way through it and another: it says that it is
// not ready while it still serves, another leads at once, all parts land, and it ends in order.
func (fl *fleet) testTerminated(t *testing.T) {
	leader := fl.leader(t)
	other, third := others(leader)
	content := random(2*smallest + 1)
	var files []*file
	var flights []*flight
	for _, tn := range system.tenants {
		f := tn.newFile("terminated.bin")
		fl.must(t, other, f, 201, put, "?upload=start", nil)
		flights = append(flights, fl.fly(t, leader, f, 1, content[:smallest]), fl.fly(t, other, f, 2, content[smallest:2*smallest]))
		files = append(files, f)
	}
	done := system.tenants[0].newFile("done.bin")
	fl.must(t, leader, done, 201, put, "", []byte("done"))

	terminated := time.Now()
	if err := fl.replicas[leader].Terminate(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not ready", func() error {
		status, err := probed(t, fl.replicas[leader], "/readyz")
		if err == nil && status == 200 {
			return errors.New("it is")
		}
		return err
	})
	httpClient.CloseIdleConnections() // a new connection is taken, too
	fl.must(t, leader, done, 200, http.MethodGet, "", nil)
	next := system.tenants[0].newFile("next.bin")
	fl.must(t, other, next, 201, put, "?upload=start", nil)
	fl.must(t, third, next, 201, put, "?upload=complete", []byte("next"))
	t.Logf("the next leader has opened and assembled after %s", time.Since(terminated).Round(time.Millisecond))
	if now := fl.leader(t); now == leader {
		t.Error("the lease was not released")
	}
	eventually(t, "it takes no more connections", func() error {
		httpClient.CloseIdleConnections()
		if _, err := done.do(t.Context(), http.MethodGet, fl.through(leader, done, "files", ""), nil); err == nil {
			return errors.New("it does")
		}
		return nil
	})
	for _, p := range flights {
		p.lands(t)
	}
	fl.ends(t, leader)
	for _, f := range files {
		fl.must(t, third, f, 201, put, "?upload=complete", content[2*smallest:])
		if got := fl.must(t, other, f, 200, http.MethodGet, "", nil); !bytes.Equal(got.body, content) {
			t.Errorf("%s: other bytes than were sent", f.namespace)
		}
	}
	fl.start(t, leader)
}

// What is slower than the grace period is cut, and it is as if it had never been sent: the earlier
// part of that number is still there.
func (fl *fleet) testCut(t *testing.T) {
	i, _ := others(fl.leader(t))
	other, _ := others(i)
	if err := fl.replicas[i].Stop(); err != nil {
		t.Fatal(err)
	}
	fl.start(t, i, "--drain-delay=0s", "--grace-period=1s")
	before, slow := random(smallest), random(smallest)
	var files []*file
	var flights []*flight
	for _, tn := range system.tenants {
		f := tn.newFile("cut.bin")
		fl.must(t, other, f, 201, put, "?upload=start", nil)
		fl.must(t, i, f, 201, put, "?part=1", before)
		flights = append(flights, fl.fly(t, i, f, 1, slow), fl.fly(t, i, f, 2, slow))
		files = append(files, f)
	}
	if err := fl.replicas[i].Terminate(); err != nil {
		t.Fatal(err)
	}
	fl.ends(t, i)
	fl.start(t, i)
	for _, p := range flights {
		p.fails(t)
	}
	for _, f := range files {
		if list := f.parts(t, "fileslist"); len(list) != 1 || list[0].PartNo != 1 {
			t.Errorf("the parts are %v", list)
		}
		fl.must(t, i, f, 201, put, "?upload=complete", nil)
		f.checkWhole(t, before)
	}
}

// A completion waits at the leader, in whose assembly it is terminated: the next leader assembles,
// and the one that ends passes its answer on.
func (fl *fleet) testAssemblyCut(t *testing.T) {
	leader := fl.leader(t)
	other, _ := others(leader)
	own := newOwnTenant(t, system.tenants[0])
	hold := newHold(t, own.store.Endpoint)
	own.kubectl(t, "", "patch", "filestore", own.name, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"endpoint":%q}}`, hold.url))
	own.kubectl(t, "", "wait", "--for=jsonpath={.status.observedGeneration}=2", "filestore/"+own.name, "--timeout=120s")
	own.kubectl(t, "", "wait", "--for=condition=Ready", "filestore/"+own.name, "--timeout=120s")
	f := own.newFile("held.bin")
	content := random(smallest)
	fl.must(t, other, f, 201, put, "?upload=start", nil)
	fl.must(t, other, f, 201, put, "?part=1", content)
	answered := make(chan error, 1)
	go func() {
		a, err := f.do(t.Context(), put, fl.through(leader, f, "files", "?upload=complete"), nil)
		if err == nil && a.status != 201 {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		answered <- err
	}()
	select {
	case <-hold.holding:
	case <-time.After(timeout):
		t.Fatal("nothing is assembled")
	}
	if err := fl.replicas[leader].Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the completion that waited: %v", err)
	}
	fl.ends(t, leader)
	if got := fl.must(t, other, f, 200, http.MethodGet, "", nil); !bytes.Equal(got.body, content) || got.header.Get("ETag") != "0" {
		t.Errorf("the file has %d bytes and ETag %s", len(got.body), got.header.Get("ETag"))
	}
	fl.start(t, leader)
}

// hold is a way to an object store on which the first assembly of held.bin never gets through.
type hold struct {
	url     string
	holding chan struct{}
}

func newHold(t *testing.T, endpoint string) *hold {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	h := &hold{holding: make(chan struct{})}
	var held atomic.Bool
	pass := &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true},
		ErrorLog:  log.New(io.Discard, "", 0), // probes send what is cut on purpose
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
		},
	}
	h.url = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Others are those of probes.
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && strings.HasSuffix(r.URL.Path, "/held.bin") && held.CompareAndSwap(false, true) {
			_, _ = io.Copy(io.Discard, r.Body) // or the end of the connection is not seen
			close(h.holding)
			<-r.Context().Done()
			return
		}
		pass.ServeHTTP(w, r)
	}))
	return h
}

// TestLostLeaders: the leader dies, is suspended, or cannot reach the API server. Another one takes
// over when the lease has run out, and nothing that is in flight elsewhere notices. One that comes
// back does no harm: it finishes what is in flight through it, and ends.
func TestLostLeaders(t *testing.T) {
	fl := newFleet(t, "--lease-duration=10s")
	for _, tn := range system.tenants {
		tn.waitReady(t)
	}
	_ = t.Run("killed", fl.testKilled) && t.Run("suspended", fl.testSuspended) && t.Run("cut off", fl.testCutOff)
}

// inFlight has a part of an upload of each tenant on its way through replica i.
func (fl *fleet) inFlight(t *testing.T, i int, content []byte) (files []*file, flights []*flight) {
	t.Helper()
	for _, tn := range system.tenants {
		f := tn.newFile("in-flight.bin")
		fl.resumes(t, i, f, 201, "?upload=start", nil)
		flights = append(flights, fl.fly(t, i, f, 1, content))
		files = append(files, f)
	}
	return files, flights
}

// completed completes uploads of one part through replica i.
func (fl *fleet) completed(t *testing.T, i int, files []*file, content []byte) {
	t.Helper()
	for _, f := range files {
		fl.resumes(t, i, f, 201, "?upload=complete", nil)
		if got := fl.must(t, i, f, 200, http.MethodGet, "", nil); !bytes.Equal(got.body, content) || got.header.Get("ETag") != "0" {
			t.Errorf("%s: %d bytes and ETag %s", f.namespace, len(got.body), got.header.Get("ETag"))
		}
	}
}

func (fl *fleet) testKilled(t *testing.T) {
	leader := fl.leader(t)
	other, third := others(leader)
	content := random(smallest)
	files, flights := fl.inFlight(t, other, content)
	lost, cut := fl.inFlight(t, leader, content)
	killed := time.Now()
	if err := fl.replicas[leader].Kill(); err != nil {
		t.Fatal(err)
	}
	next := system.tenants[0].newFile("next.bin")
	fl.resumes(t, third, next, 201, "?upload=start", nil)
	fl.resumes(t, other, next, 201, "?upload=complete", []byte("next"))
	t.Logf("the next leader has opened and assembled after %s", time.Since(killed).Round(time.Millisecond))
	for _, p := range flights {
		p.lands(t)
	}
	for i, p := range cut {
		p.fails(t)
		fl.must(t, third, lost[i], 201, put, "?part=1", content)
	}
	fl.completed(t, third, append(files, lost...), content)
	fl.start(t, leader)
}

// The leader sleeps for longer than its lease. What was started meanwhile, and it learns of first
// as something to be opened, it does not open a second time.
func (fl *fleet) testSuspended(t *testing.T) {
	leader := fl.leader(t)
	other, third := others(leader)
	content := random(smallest)
	files, flights := fl.inFlight(t, leader, content)
	pid := fl.replicas[leader].PID()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	fl.leader(t, leader)
	var started []*file
	for range 10 {
		for _, tn := range system.tenants {
			f := tn.newFile("meanwhile.bin")
			fl.resumes(t, other, f, 201, "?upload=start", nil)
			started = append(started, f)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	fl.drains(t, leader)
	for _, p := range flights {
		p.lands(t)
	}
	fl.losesLease(t, leader)
	fl.start(t, leader)
	fl.completed(t, third, files, content)
	for _, f := range started {
		f.openOnce(t)
		fl.must(t, leader, f, 201, put, "?part=1", content)
	}
	fl.completed(t, leader, started, content)
	fl.lead(t, leader)
	fl.resumes(t, leader, system.tenants[0].newFile("again.bin"), 201, "?upload=start", nil)
}

// openOnce waits until the file has one open upload in object storage, the one that its record
// names.
func (f *file) openOnce(t *testing.T) {
	t.Helper()
	u := f.mustRecord(t)
	eventually(t, "the upload is open once", func() error {
		list, err := f.s3.ListMultipartUploads(t.Context(), bucket, u.Status.ObjectKey, "", "", "", 1000)
		if err != nil {
			return err
		}
		if len(list.Uploads) != 1 || list.Uploads[0].UploadID != u.Status.UploadID {
			return fmt.Errorf("open are %+v", list.Uploads)
		}
		return nil
	})
}

// The leader's way to the API server is blocked for longer than its lease. Its process ends when
// its parts in flight have landed. Another one goes that way when it is open again.
func (fl *fleet) testCutOff(t *testing.T) {
	const cutOff = 0
	if err := fl.replicas[cutOff].Stop(); err != nil {
		t.Fatal(err)
	}
	way := newWay(t, strings.TrimPrefix(system.plane.URL, "https://"))
	fl.startAs(t, cutOff, way.kubeconfig(t, fl.options.Kubeconfig))
	fl.lead(t, cutOff)
	other, third := others(cutOff)
	content := random(smallest)
	files, flights := fl.inFlight(t, cutOff, content)
	way.block()
	fl.leader(t, cutOff)
	next := system.tenants[0].newFile("next.bin")
	fl.resumes(t, other, next, 201, "?upload=start", nil)
	fl.resumes(t, third, next, 201, "?upload=complete", []byte("next"))
	fl.drains(t, cutOff)
	for _, p := range flights {
		p.lands(t)
	}
	fl.losesLease(t, cutOff)
	way.open()
	fl.startAs(t, cutOff, way.kubeconfig(t, fl.options.Kubeconfig))
	fl.completed(t, cutOff, files, content)
	fl.lead(t, cutOff)
	fl.resumes(t, cutOff, system.tenants[0].newFile("again.bin"), 201, "?upload=start", nil)
}

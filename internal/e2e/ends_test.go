package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// abortedAgain is the longest that a part may stay which landed after its upload had ended: until
// the second abort, and as long again for a busy machine.
const abortedAgain = 3 * time.Minute

// onDisk is what the store's own directory has of the uploads with these ids, whether or not a
// listing shows it.
func (tn *tenant) onDisk(t *testing.T, ids []string) []devcluster.UploadDir {
	t.Helper()
	dirs, err := tn.store.UploadDirs(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(dirs, func(d devcluster.UploadDir) bool { return !slices.Contains(ids, d.ID) })
}

// gone waits until the store's directory has nothing of the uploads any more, and says how long
// that took.
func (tn *tenant) gone(t *testing.T, limit time.Duration, ids ...string) {
	t.Helper()
	begin := time.Now()
	for left := tn.onDisk(t, ids); len(left) > 0; left = tn.onDisk(t, ids) {
		if time.Since(begin) > limit {
			t.Fatalf("after %s there is still %+v", limit, left)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("nothing is left after %s", time.Since(begin).Round(time.Millisecond))
}

// TestEndsAcrossReplicas: parts are in flight through replicas that do not lead while their upload
// ends through another. No byte of them is left in object storage's own directory: at once where
// the replica knows, after the second abort where it could not.
func TestEndsAcrossReplicas(t *testing.T) {
	fl := newFleet(t)
	for _, tn := range system.tenants {
		tn.waitReady(t)
	}
	onEachStore(t, func(t *testing.T, tn *tenant) {
		t.Run("aborted", func(t *testing.T) {
			fl.testEnds(t, tn, func(f *file, other int) { fl.must(t, other, f, 204, put, "?upload=abort", nil) })
		})
		t.Run("deleted", func(t *testing.T) {
			fl.testEnds(t, tn, func(f *file, _ int) {
				if err := system.kube.Delete(t.Context(), f.mustRecord(t)); err != nil {
					t.Fatal(err)
				}
			})
		})
		t.Run("completed", func(t *testing.T) {
			fl.testEnds(t, tn, func(f *file, other int) { fl.must(t, other, f, 201, put, "?upload=complete", nil) })
		})
	})
	t.Run("suspended", fl.testEndsWhileSuspended)
	t.Run("cut off", fl.testEndsWhileCutOff)
}

// flying is an upload of one part whose parts 1 to 3 are sent anew, and are half way.
func (fl *fleet) flying(t *testing.T, tn *tenant, through ...int) (f *file, id string, flights []*flight) {
	t.Helper()
	f = tn.newFile(fmt.Sprintf("ends-%d.bin", time.Now().UnixNano()))
	fl.must(t, through[0], f, 201, put, "?upload=start", nil)
	fl.must(t, through[0], f, 201, put, "?part=1", random(smallest))
	for i, replica := range through {
		flights = append(flights, fl.fly(t, replica, f, i+1, random(smallest)))
	}
	return f, f.mustRecord(t).Status.UploadID, flights
}

func (fl *fleet) testEnds(t *testing.T, tn *tenant, end func(f *file, other int)) {
	leader := fl.leader(t)
	other, third := others(leader)
	f, id, flights := fl.flying(t, tn, third, third, leader)
	end(f, other)
	for _, p := range flights {
		if l := p.wait(t); l.status != 409 {
			t.Errorf("%s: %d %v", p.what, l.status, l.err)
		}
		_ = p.write.Close()
	}
	tn.gone(t, timeout, id)
}

// The replica that has the parts is suspended until the abort was answered.
func (fl *fleet) testEndsWhileSuspended(t *testing.T) {
	leader := fl.leader(t)
	other, suspended := others(leader)
	ids := map[*tenant]string{}
	var files []*file
	var all []*flight
	for _, tn := range system.tenants {
		f, id, flights := fl.flying(t, tn, suspended, suspended)
		ids[tn], files, all = id, append(files, f), append(all, flights...)
	}
	if err := syscall.Kill(fl.replicas[suspended].PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		fl.must(t, other, f, 204, put, "?upload=abort", nil)
	}
	for _, p := range all { // what the kernel takes, it gives the replica when that goes on
		go func() { _, _ = p.write.Write(p.rest) }()
	}
	if err := syscall.Kill(fl.replicas[suspended].PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if l := p.wait(t); l.status != 409 {
			t.Errorf("%s: %d %v", p.what, l.status, l.err)
		}
	}
	for tn, id := range ids {
		tn.gone(t, abortedAgain, id)
	}
}

// The replica that has the parts cannot reach the API server: it takes them, and the second abort
// takes them away.
func (fl *fleet) testEndsWhileCutOff(t *testing.T) {
	leader := fl.leader(t)
	other, blocked := others(leader)
	if err := fl.replicas[blocked].Stop(); err != nil {
		t.Fatal(err)
	}
	way := newWay(t, strings.TrimPrefix(system.plane.URL, "https://"))
	fl.startAs(t, blocked, way.kubeconfig(t, fl.options.Kubeconfig))
	ids := map[*tenant]string{}
	var files []*file
	var all []*flight
	for _, tn := range system.tenants {
		f, id, flights := fl.flying(t, tn, blocked, blocked)
		ids[tn], files, all = id, append(files, f), append(all, flights...)
	}
	way.block()
	for _, f := range files {
		fl.resumes(t, other, f, 204, "?upload=abort", nil)
	}
	for _, p := range all {
		_, _ = p.write.Write(p.rest)
		_ = p.write.Close()
		// What object storage says is all that the replica knows: 201, or that there is no such
		// upload, of which it cannot tell why.
		if l := p.wait(t); !slices.Contains([]int{201, 409, 502, 503}, l.status) {
			t.Errorf("%s: %d %v", p.what, l.status, l.err)
		}
	}
	for tn, id := range ids {
		t.Logf("%s has landed %+v", tn.store.Kind, tn.onDisk(t, []string{id}))
		tn.gone(t, abortedAgain, id)
	}
	way.open()
}

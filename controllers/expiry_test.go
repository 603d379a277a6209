package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// What an expiry costs is what thousands of them in one minute have to wait for: two writes, that
// of the end, which comes first for all, and that which lets the record go; one look at the object
// before the abort, and one at the parts after it.
func TestCostOfAnExpiry(t *testing.T) {
	r := newRig(t)
	r.open("up", testkit.TTL(time.Hour))
	operations := []memory.Operation{memory.CreateUpload, memory.ListParts, memory.Stat, memory.AbortUpload, memory.ListUploads}
	before := map[memory.Operation]int{}
	for _, op := range operations {
		before[op] = r.backend.Calls(op)
	}
	var writes []string
	note := func(what string) func(client.Object) error {
		return func(client.Object) error {
			writes = append(writes, what)
			return nil
		}
	}
	r.faults.status, r.faults.patch = note("status"), note("record")
	r.clock.Step(time.Hour)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonExpired)
	if got, want := fmt.Sprint(writes), "[status record]"; got != want {
		t.Errorf("writes: %s, want %s", got, want)
	}
	want := map[memory.Operation]int{memory.ListParts: 1, memory.Stat: 1, memory.AbortUpload: 1}
	for _, op := range operations {
		if got := r.backend.Calls(op) - before[op]; got != want[op] {
			t.Errorf("%v: %d calls, want %d", op, got, want[op])
		}
	}
}

// The parts of all go before the first end is recorded; whatever becomes of the record in between,
// it ends, and nothing is looked at twice by who knows.
func TestExpiryIsRecordedLater(t *testing.T) {
	cleared := func(t *testing.T) *rig {
		r := newRig(t)
		u := r.open("up", testkit.TTL(time.Hour))
		r.part(u, 1, "ab")
		r.clock.Step(time.Hour + upload.FenceDelay)
		result, err := r.step("up")
		r.must(err)
		r.expectOpen(0)
		if result.RequeueAfter <= 0 || result.RequeueAfter > time.Second || result.Priority == nil || *result.Priority >= handler.LowPriority {
			t.Errorf("the end is to be recorded %+v", result)
		}
		if u := r.get("up"); u.Status.CompletionTime != nil {
			t.Error("the end is recorded by the pass that has deleted the parts")
		}
		return r
	}
	t.Run("ByTheSameLeader", func(t *testing.T) {
		r := cleared(t)
		calls := r.backend.Calls(memory.ListParts) + r.backend.Calls(memory.Stat) + r.backend.Calls(memory.AbortUpload)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonExpired)
		if now := r.backend.Calls(memory.ListParts) + r.backend.Calls(memory.Stat) + r.backend.Calls(memory.AbortUpload); now != calls {
			t.Errorf("%d more calls to object storage", now-calls)
		}
	})
	t.Run("ByTheNextLeader", func(t *testing.T) {
		r := cleared(t)
		u := r.uploads
		r.uploads = &multipartupload.Reconciler{
			Client: u.Client, Catalog: u.Catalog, Live: u.Live, Stores: u.Stores, Clock: u.Clock, Events: u.Events, FinalizerTimeout: u.FinalizerTimeout, Workers: u.Workers,
		}
		r.drive("up")
		r.expect("up", v1alpha1.ReasonExpired)
	})
	t.Run("AfterARefusedWrite", func(t *testing.T) {
		r := cleared(t)
		r.faults.status = once(errCrash)
		if _, err := r.step("up"); err == nil {
			t.Error("a write that failed is no error")
		}
		r.drive("up")
		r.expect("up", v1alpha1.ReasonExpired)
	})
	t.Run("DeletedMeanwhile", func(t *testing.T) {
		r := cleared(t)
		r.delete("up")
		r.drive("up")
		if r.get("up") != nil {
			t.Error("the record stays")
		}
	})
	t.Run("CompletedMeanwhile", func(t *testing.T) {
		r := cleared(t)
		r.edit("up", completed)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonExpired)
	})
	t.Run("GivenMoreTimeMeanwhile", func(t *testing.T) {
		r := cleared(t)
		r.edit("up", testkit.TTL(9*time.Hour))
		r.drive("up")
		r.expect("up", v1alpha1.ReasonUploadLost)
	})
}

// The time of an upload is over while nobody reconciles: whoever comes next ends it at once, and
// need not be told.
func TestExpiryWhileNobodyLeads(t *testing.T) {
	m := newManaged(t)
	stop := m.start()
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport))
	m.waitForStore("ready", storeReady)
	m.create("up", testkit.TTL(time.Hour))
	u := m.waitFor("up", v1alpha1.ReasonUploading)
	m.part(u, 1, "ab")
	stop()
	m.edit("up", testkit.TTL(time.Since(u.Status.StartTime.Time)+100*time.Millisecond))
	time.Sleep(200 * time.Millisecond) // nothing to wait for: nobody is there
	if u = m.get("up"); u.Status.CompletionTime != nil {
		t.Fatal("somebody reconciles")
	}
	began := time.Now()
	m.start()
	m.waitFor("up", v1alpha1.ReasonExpired)
	m.soon(began)
	m.expectOpen(0)
}

func TestLimitEvents(t *testing.T) {
	clock := clocktesting.NewFakeClock(testkit.Epoch)
	log := &eventLog{}
	events := multipartupload.LimitEvents(log, clock)
	tell := func(reason string, times int) {
		for range times {
			events.Eventf(nil, runtime.Object(nil), "Warning", reason, "Expire", "over")
		}
	}
	expect := func(when string, want int) {
		t.Helper()
		if got := len(log.all); got != want {
			t.Errorf("%s: %d events, want %d", when, got, want)
		}
	}
	tell(v1alpha1.ReasonExpired, 500)
	expect("at once", 100)
	tell(v1alpha1.ReasonAborted, 1)
	expect("another reason", 101)
	clock.Step(time.Second)
	tell(v1alpha1.ReasonExpired, 500)
	expect("a second later", 111)
}

package controllers_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// From the moment that its time is over an upload needs three passes: one that ends it, one that
// lets its record go, and one, an hour later, that deletes it.
func TestPassesOfAnExpiry(t *testing.T) {
	r := newRig(t)
	u := r.open("up", testkit.TTL(time.Hour), testkit.OverREST())
	r.part(u, 1, "ab")
	waits := r.drive("up")
	pass := func() {
		t.Helper()
		if waits.RequeueAfter <= 0 {
			t.Fatalf("nobody looks again: %+v", waits)
		}
		r.clock.Step(waits.RequeueAfter)
		var err error
		waits, err = r.step("up")
		r.must(err)
	}
	pass()
	r.expect("up", v1alpha1.ReasonExpired)
	r.expectOpen(0)
	waits.RequeueAfter = 1 // the event of the end
	pass()
	if u := r.get("up"); len(u.Finalizers) != 0 {
		t.Errorf("finalizers are %v", u.Finalizers)
	}
	pass()
	if r.get("up") != nil {
		t.Error("the record stays")
	}
}

// However many uploads expire, in a store that does not get done with them, what somebody waits for
// goes on, also in the same namespace and store.
func TestExpiriesHoldNoStart(t *testing.T) {
	m := startManager(t)
	m.createStore(testkit.Orphans(v1alpha1.OrphanPolicyReport))
	m.waitForStore("ready", storeReady)
	const expiring = 48
	for i := range expiring {
		name := fmt.Sprintf("expiring-%d", i)
		m.create(name, testkit.ForFile(testkit.Entity, name))
	}
	for i := range expiring {
		m.waitFor(fmt.Sprintf("expiring-%d", i), v1alpha1.ReasonUploading)
	}
	talks := make(chan struct{})
	var asked, over atomic.Int32
	m.backend.Inject(memory.Fault{Operation: memory.AbortUpload, Before: func(ctx context.Context) error {
		asked.Add(1)
		defer over.Add(1)
		return memory.WaitFor(talks)(ctx)
	}})
	for i := range expiring {
		m.edit(fmt.Sprintf("expiring-%d", i), testkit.TTL(time.Second))
	}
	testkit.Eventually(t, func() error {
		if n := asked.Load(); n < 12 {
			return fmt.Errorf("%d aborts wait", n)
		}
		return nil
	})
	for i := range 8 {
		name := fmt.Sprintf("up-%d", i)
		m.create(name, testkit.ForFile(testkit.Entity, name))
		m.part(m.waitFor(name, v1alpha1.ReasonUploading), 1, "ab")
		m.edit(name, completed)
		m.waitFor(name, v1alpha1.ReasonCompleted)
	}
	if n := over.Load(); n > 0 {
		t.Errorf("%d of the aborts had come back by then: it proves nothing", n)
	}
	close(talks)
	for i := range expiring {
		m.waitFor(fmt.Sprintf("expiring-%d", i), v1alpha1.ReasonExpired)
	}
}

// The parts are gone, and the process dies, or the API server refuses, before the end is recorded:
// whatever becomes of the record in between, it ends.
func TestExpiryIsRecordedLater(t *testing.T) {
	cleared := func(t *testing.T) *rig {
		r := newRig(t)
		u := r.open("up", testkit.TTL(time.Hour))
		r.part(u, 1, "ab")
		r.clock.Step(time.Hour + upload.FenceDelay)
		r.faults.status = once(errCrash)
		if _, err := r.step("up"); err == nil {
			t.Error("a write that failed is no error")
		}
		r.expectOpen(0)
		if u := r.get("up"); u.Status.CompletionTime != nil {
			t.Error("the end is recorded")
		}
		return r
	}
	t.Run("ByTheSameLeader", func(t *testing.T) {
		r := cleared(t)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonExpired)
	})
	t.Run("ByTheNextLeader", func(t *testing.T) {
		r := cleared(t)
		u := r.uploads
		r.uploads = &multipartupload.Reconciler{
			Assemblies: &multipartupload.Assemblies{},
			Client:     u.Client, Catalog: u.Catalog, Live: u.Live, Stores: u.Stores, Clock: u.Clock, Events: u.Events, FinalizerTimeout: u.FinalizerTimeout, Workers: u.Workers,
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
		r.clock.Step(upload.CheckInterval)
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

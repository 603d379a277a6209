package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// What an expiry costs is what thousands of them in one minute have to wait for: two writes, that of the end, which comes first for all, and that which
// lets the record go; one look at object storage before the abort and one after it, of which that at the object is not taken twice.
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
	want := map[memory.Operation]int{memory.ListParts: 2, memory.Stat: 1, memory.AbortUpload: 1}
	for _, op := range operations {
		if got := r.backend.Calls(op) - before[op]; got != want[op] {
			t.Errorf("%v: %d calls, want %d", op, got, want[op])
		}
	}
}

// The time of an upload is over while nobody reconciles: whoever comes next ends it at once, and need not be told.
func TestExpiryWhileNobodyLeads(t *testing.T) {
	m := newManaged(t)
	stop := m.start()
	m.createStore()
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
	events := controllers.LimitEvents(log, clock)
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

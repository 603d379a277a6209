package controllers_test

import (
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// A cache that is behind does not have an expired upload aborted once more, and is believed again
// when it had its time, or shows another record of that name.
func TestOwnWritesAreKnown(t *testing.T) {
	r := newRig(t)
	r.open("up", testkit.TTL(time.Hour))
	behind := r.get("up")
	r.clock.Step(time.Hour + upload.FenceDelay)
	r.faults.cached = func() *v1alpha1.MultipartUpload { return behind }
	for range 2 { // its parts go, and that is recorded
		_, err := r.step("up")
		r.must(err)
	}
	r.expect("up", v1alpha1.ReasonExpired)
	aborts, looks := r.backend.Calls(memory.AbortUpload), r.backend.Calls(memory.Stat)
	result, err := r.step("up")
	r.must(err)
	if result.RequeueAfter <= 0 || r.backend.Calls(memory.AbortUpload) != aborts || r.backend.Calls(memory.Stat) != looks {
		t.Errorf("%+v, %d more aborts, %d more looks", result, r.backend.Calls(memory.AbortUpload)-aborts, r.backend.Calls(memory.Stat)-looks)
	}
	r.clock.Step(time.Minute)
	_, err = r.step("up")
	r.must(err)
	if r.backend.Calls(memory.Stat) == looks {
		t.Error("the cache is not believed any more")
	}
}

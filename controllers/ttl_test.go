package controllers_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// A tenant patches its ttl to a year, where the store allows three days: the upload says so, and
// ends after three days.
func TestTTLIsLimited(t *testing.T) {
	r := newRig(t, testkit.MaxUploadTTL(72*time.Hour))
	u := r.open("up")
	r.part(u, 1, "ab")
	expires := func(after time.Duration) {
		t.Helper()
		u := r.get("up")
		if got := u.Status.ExpirationTime.Sub(u.Status.StartTime.Time); got != after {
			t.Errorf("it expires after %s, want %s", got, after)
		}
	}
	limited := func() *metav1.Condition {
		return meta.FindStatusCondition(r.get("up").Status.Conditions, v1alpha1.ConditionTTLLimited)
	}
	expires(48 * time.Hour)
	if limited() != nil {
		t.Errorf("limited although it asks for nothing: %+v", limited())
	}
	r.edit("up", testkit.TTL(8760*time.Hour))
	r.drive("up")
	expires(72 * time.Hour)
	c := limited()
	if c == nil || c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonMaxUploadTTL || !strings.Contains(c.Message, "spec.ttl is 8760h0m0s") {
		t.Errorf("the condition is %+v", c)
	}
	r.expect("up", v1alpha1.ReasonUploading) // it goes on
	r.drive("up")
	r.expectEvents("Normal Initiated", "Warning MaxUploadTTL") // told once

	r.edit("up", testkit.TTL(time.Hour))
	r.drive("up")
	expires(time.Hour)
	if limited() != nil {
		t.Errorf("still limited: %+v", limited())
	}
	r.edit("up", testkit.TTL(8760*time.Hour))
	r.drive("up")
	expires(72 * time.Hour)
	r.clock.Step(72*time.Hour + upload.FenceDelay)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonExpired)
	r.expectOpen(0)
	if limited() != nil {
		t.Errorf("limited after its end: %+v", limited())
	}
}

// A limit that comes later holds for what is open.
func TestTTLIsLimitedLater(t *testing.T) {
	r := newRig(t)
	r.open("up", testkit.TTL(8760*time.Hour))
	r.clock.Step(100 * time.Hour)
	fs := r.fileStore()
	changed := fs.DeepCopy()
	changed.Spec.Limits.MaxUploadTTL = &metav1.Duration{Duration: 72 * time.Hour}
	r.must(r.direct.Patch(r.ctx, changed, client.MergeFrom(fs)))
	r.probe()
	r.drive("up")
	r.expect("up", v1alpha1.ReasonExpired)
	r.expectOpen(0)
}

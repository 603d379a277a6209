package controllers_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
)

// TestFileStoreProtected: what a store does not do is told beside Ready, with the time at which it
// was seen, and nothing else follows from it.
func TestFileStoreProtected(t *testing.T) {
	for reason, change := range map[string]func(*v1alpha1.FileStoreCapabilities){
		v1alpha1.ReasonProtected:       func(*v1alpha1.FileStoreCapabilities) {},
		v1alpha1.ReasonNoChecksums:     func(c *v1alpha1.FileStoreCapabilities) { c.PayloadMode = v1alpha1.PayloadUnsigned },
		v1alpha1.ReasonNoConditions:    func(c *v1alpha1.FileStoreCapabilities) { c.ConditionalComplete = new(false) },
		v1alpha1.ReasonNoUploadListing: func(c *v1alpha1.FileStoreCapabilities) { c.UploadListing = v1alpha1.UploadListingNone },
	} {
		t.Run(reason, func(t *testing.T) {
			caps := v1alpha1.FileStoreCapabilities{
				PayloadMode: v1alpha1.PayloadTrailingCRC64NVME, ConditionalComplete: new(true), ConditionalPut: new(true), UploadListing: v1alpha1.UploadListingPrefix,
			}
			change(&caps)
			r := newRigWith(t, memory.Options{MinPartSize: -1, Capabilities: caps})
			seen := r.clock.Now()
			want := metav1.ConditionFalse
			events := []string{"Normal Probed", "Warning " + reason}
			if reason == v1alpha1.ReasonProtected {
				want, events = metav1.ConditionTrue, events[:1]
			}
			check := func(when string) {
				t.Helper()
				fs := r.fileStore()
				c := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionProtected)
				if c == nil || c.Status != want || c.Reason != reason || c.Message == "" || !fs.Status.LastSuccessfulProbeTime.Time.Equal(seen) {
					t.Errorf("%s: the condition is %+v, seen at %v", when, c, fs.Status.LastSuccessfulProbeTime)
				}
			}
			check("at first")
			r.expectStore(v1alpha1.ReasonProbed)
			r.expectProbeEvents(events...)
			remove := r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(&filestore.Error{Op: "Probe", Kind: filestore.ErrUnavailable})})
			r.clock.Step(time.Hour)
			r.probe()
			check("while it cannot be reached")
			remove()
			r.clock.Step(time.Hour)
			seen = r.clock.Now()
			r.probe()
			check("when it is there again")
		})
	}
}

// TestFileStoreHint: what is known of the cause stands in the condition, and not in the log alone.
func TestFileStoreHint(t *testing.T) {
	r := newRig(t)
	r.backend.Inject(memory.Fault{Operation: memory.Probe, Before: memory.Fail(&filestore.Error{Op: "ListObjectsV2", Kind: filestore.ErrAccessDenied, Hint: "spec.region is probably wrong"})})
	r.clock.Step(10 * time.Minute)
	r.probe()
	fs := r.expectStore(v1alpha1.ReasonAccessDenied)
	if message := meta.FindStatusCondition(fs.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, "spec.region is probably wrong") {
		t.Errorf("the message is %q", message)
	}
}

// TestMissingUploadIsLooked: an upload that a client was told is not there is compared with object
// storage at once, not at the next hour; one that is there goes on.
func TestMissingUploadIsLooked(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"kept", "reaped"} {
		u := r.open(name)
		if name == "reaped" {
			r.must(r.backend.AbortUpload(r.ctx, ref(u)))
		}
		r.clock.Step(time.Minute)
		r.drive(name)
		r.expect(name, v1alpha1.ReasonUploading) // nobody has asked for it
		u = r.get(name)
		told := u.DeepCopy()
		now := metav1.NewTime(r.clock.Now())
		told.Status.Progress = &v1alpha1.UploadProgress{Parts: new(int32(0)), Bytes: new(int64(0)), DisplayBytes: "0 B", MissingTime: &now}
		r.must(r.direct.Status().Patch(r.ctx, told, client.MergeFrom(u)))
		r.drive(name)
		if name == "kept" {
			r.expect(name, v1alpha1.ReasonUploading)
			r.delete(name)
			r.drive(name)
			continue
		}
		r.expect(name, v1alpha1.ReasonUploadLost)
	}
}

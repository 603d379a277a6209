package controllers_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// forge writes a status past every policy, as a cluster-admin can.
func (r *rig) forge(name string, change func(*v1alpha1.MultipartUploadStatus)) {
	r.t.Helper()
	u := r.get(name)
	changed := u.DeepCopy()
	change(&changed.Status)
	r.must(r.direct.Status().Patch(r.ctx, changed, client.MergeFrom(u)))
}

// victim is a file of another tenant, and an upload that another client has open for it.
type victim struct {
	r    *rig
	file string
	open filestore.UploadRef
}

func newVictim(r *rig) *victim {
	r.t.Helper()
	v := &victim{r: r, file: "victim/" + testkit.Entity + "/secret.bin"}
	r.backend.SetObject(v.file, []byte("secret"), filestore.CreateUploadOptions{})
	v.open = r.leak("victim/" + testkit.Entity + "/open.bin")
	_, err := r.backend.PutPart(r.ctx, v.open, 1, strings.NewReader("theirs"), 6)
	r.must(err)
	return v
}

// expectUntouched: the file is as it was, and so is the open upload.
func (v *victim) expectUntouched() {
	v.r.t.Helper()
	object, err := v.r.backend.Stat(v.r.ctx, v.file)
	v.r.must(err)
	if object.Size != 6 {
		v.r.t.Errorf("the victim's file has %d bytes", object.Size)
	}
	if parts, err := v.r.backend.ListParts(v.r.ctx, v.open); err != nil || len(parts) != 1 || parts[0].Size != 6 {
		v.r.t.Errorf("the victim's upload has %+v, %v", parts, err)
	}
	if _, err := v.r.backend.Stat(v.r.ctx, v.open.Key); err == nil {
		v.r.t.Error("the victim's upload was completed")
	}
}

// expectIdle drives the upload and expects that object storage is asked for nothing.
func (r *rig) expectIdle(name string) {
	r.t.Helper()
	calls := func() (n int) {
		for _, op := range []memory.Operation{memory.CreateUpload, memory.CompleteUpload, memory.AbortUpload, memory.ListParts, memory.Stat, memory.ListUploads} {
			n += r.backend.Calls(op)
		}
		return n
	}
	before := calls()
	r.drive(name)
	if u := r.expect(name, v1alpha1.ReasonStatusMismatch); !stalled(u) || u.Status.Phase != v1alpha1.PhaseStalled || u.Status.CompletionTime != nil {
		r.t.Errorf("the status is %+v", u.Status)
	}
	if after := calls(); after != before {
		r.t.Errorf("object storage was asked %d times", after-before)
	}
}

// A status that names another tenant's file, upload or store has nothing done: not at a completion,
// an abort, an expiry or a deletion.
func TestForgedPlace(t *testing.T) {
	for name, forge := range map[string]func(*victim) func(*v1alpha1.MultipartUploadStatus){
		"Key": func(v *victim) func(*v1alpha1.MultipartUploadStatus) {
			return func(s *v1alpha1.MultipartUploadStatus) { s.ObjectKey = v.file }
		},
		"KeyAndID": func(v *victim) func(*v1alpha1.MultipartUploadStatus) {
			return func(s *v1alpha1.MultipartUploadStatus) {
				s.ObjectKey, s.UploadID, s.StoreName, s.StartTime = v.open.Key, v.open.UploadID, v.r.store, ptr.To(metav1.NewTime(v.r.clock.Now()))
			}
		},
		"Store": func(*victim) func(*v1alpha1.MultipartUploadStatus) {
			return func(s *v1alpha1.MultipartUploadStatus) { s.UploadID, s.StoreName = "id", "of-somebody-else" }
		},
		"WayUp": func(v *victim) func(*v1alpha1.MultipartUploadStatus) {
			return func(s *v1alpha1.MultipartUploadStatus) {
				s.UploadID, s.StoreName = "../0a1b/"+v.open.UploadID, v.r.store
			}
		},
		"StartedWithoutAnID": func(v *victim) func(*v1alpha1.MultipartUploadStatus) {
			return func(s *v1alpha1.MultipartUploadStatus) { s.StartTime = ptr.To(metav1.NewTime(v.r.clock.Now())) }
		},
		"StartsNextYear": func(v *victim) func(*v1alpha1.MultipartUploadStatus) {
			return func(s *v1alpha1.MultipartUploadStatus) {
				s.UploadID, s.StoreName, s.StartTime = "id", v.r.store, ptr.To(metav1.NewTime(v.r.clock.Now().AddDate(1, 0, 0)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			v := newVictim(r)
			r.create("up", testkit.Finalizer())
			r.forge("up", forge(v))
			r.expectIdle("up")
			for _, want := range []testkit.UploadOption{completed, aborted} {
				r.edit("up", want)
				r.expectIdle("up")
			}
			r.clock.Step(50 * time.Hour)
			r.expectIdle("up")
			r.delete("up")
			r.drive("up")
			if u := r.get("up"); u != nil {
				t.Errorf("the deleted record stays: %+v", u)
			}
			v.expectUntouched()
		})
	}
}

// What is the file's own goes with its record, whatever else the status says.
func TestForgedRecordLeavesNothingOfItsOwn(t *testing.T) {
	r := newRig(t)
	v := newVictim(r)
	own := r.leak(r.key())
	r.create("up", testkit.Finalizer())
	r.forge("up", func(s *v1alpha1.MultipartUploadStatus) {
		s.ObjectKey, s.UploadID, s.StoreName = v.file, own.UploadID, r.store
	})
	r.expectIdle("up")
	r.delete("up")
	r.drive("up")
	if r.get("up") != nil || r.isOpen(own) {
		t.Errorf("the record stays: %t, its upload: %t", r.get("up") != nil, r.isOpen(own))
	}
	v.expectUntouched()
}

// An id that names another tenant's upload names none of the file's own key.
func TestForgedUploadID(t *testing.T) {
	r := newRig(t)
	v := newVictim(r)
	for name, option := range map[string]testkit.UploadOption{"completed": completed, "aborted": aborted} {
		r.create(name, testkit.Finalizer(), option)
		r.forge(name, func(s *v1alpha1.MultipartUploadStatus) {
			s.UploadID, s.StoreName, s.FileVersion = v.open.UploadID, r.store, ptr.To[int64](0)
			s.ObjectKey, s.StartTime = r.key(), ptr.To(metav1.NewTime(r.clock.Now()))
		})
		r.drive(name)
		if u := r.get(name); u.Status.CompletionTime == nil || r.content() != "" {
			t.Errorf("%s: the file is %q, the status %+v", name, r.content(), u.Status)
		}
		v.expectUntouched()
	}
}

// When the time of an upload is over follows from its start and its ttl, and from nothing that
// somebody writes.
func TestForgedExpiration(t *testing.T) {
	for name, c := range map[string]struct {
		forged, passes time.Duration
		want           string
	}{
		"Prolonged": {1000 * time.Hour, 49 * time.Hour, v1alpha1.ReasonExpired},
		"Shortened": {-time.Hour, time.Hour, v1alpha1.ReasonUploading},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			u := r.open("up")
			r.part(u, 1, "ab")
			r.forge("up", func(s *v1alpha1.MultipartUploadStatus) {
				s.ExpirationTime = ptr.To(metav1.NewTime(r.clock.Now().Add(c.forged)))
			})
			r.clock.Step(c.passes)
			r.drive("up")
			now := r.expect("up", c.want)
			if c.want == v1alpha1.ReasonUploading && !now.Status.ExpirationTime.Equal(u.Status.ExpirationTime) {
				t.Errorf("the status says %s, want %s", now.Status.ExpirationTime, u.Status.ExpirationTime)
			}
		})
	}
}

// A start cannot be moved once it is written.
func TestForgedStartIsRefused(t *testing.T) {
	r := newRig(t)
	u := r.open("up")
	changed := u.DeepCopy()
	changed.Status.StartTime = ptr.To(metav1.NewTime(r.clock.Now().Add(time.Hour)))
	err := r.direct.Status().Patch(r.ctx, changed, client.MergeFrom(u))
	if err == nil || !strings.Contains(err.Error(), "startTime is write-once") {
		t.Errorf("a new start is answered with %v", err)
	}
}

// Neither labels nor annotations nor owner references lead to anything that is another's.
func TestForgedMetadata(t *testing.T) {
	r := newRig(t)
	v := newVictim(r)
	r.create("up", testkit.OverREST(), func(u *v1alpha1.MultipartUpload) {
		u.Annotations = map[string]string{
			v1alpha1.AnnotationNamespaceStore: "of-somebody-else", v1alpha1.AnnotationDefaultStore: "true", v1alpha1.AnnotationAnswered: "true",
		}
		u.OwnerReferences = []metav1.OwnerReference{{APIVersion: "iotfile.dev/v1alpha1", Kind: "FileStore", Name: r.store, UID: r.fileStore().UID}}
	})
	r.drive("up")
	u := r.expect("up", v1alpha1.ReasonUploading)
	if u.Status.StoreName != r.store || u.Status.ObjectKey != r.key() {
		t.Errorf("opened as %q in %q", u.Status.ObjectKey, u.Status.StoreName)
	}
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.drive("up")
	r.expect("up", v1alpha1.ReasonCompleted)
	v.expectUntouched()
	if r.content() != "ab" {
		t.Errorf("the file is %q", r.content())
	}
}

// A record protects nothing of another namespace from the sweep.
func TestForgedUploadIDHidesNoOrphan(t *testing.T) {
	r := newRig(t, testkit.Orphans(v1alpha1.OrphanPolicyAbort))
	v := newVictim(r)
	own := r.open("up")
	r.create("forged", testkit.Finalizer(), testkit.ForFile(testkit.Entity, "another.bin"))
	r.forge("forged", func(s *v1alpha1.MultipartUploadStatus) { s.UploadID, s.StoreName = v.open.UploadID, r.store })
	r.clock.Step(2 * time.Hour)
	r.sweepOnce()
	if r.isOpen(v.open) || !r.isOpen(ref(own)) {
		t.Errorf("open are %+v", r.backend.OpenUploads())
	}
}

// A record as an earlier version has left it goes on: all of its status, and of an open one before
// that version wrote the ETag.
func TestRecordOfAnEarlierVersionGoesOn(t *testing.T) {
	r := newRig(t, testkit.Prefixed("iot/"))
	id, err := r.backend.CreateUpload(r.ctx, "iot/"+r.key(), filestore.CreateUploadOptions{Metadata: upload.FileMetadata{}.Encode()})
	r.must(err)
	r.create("up", testkit.Finalizer())
	r.forge("up", func(s *v1alpha1.MultipartUploadStatus) {
		s.ObservedGeneration, s.Phase = ptr.To[int64](1), v1alpha1.PhaseUploading
		s.UploadID, s.StoreName, s.ObjectKey, s.FileVersion = id, r.store, "iot/"+r.key(), ptr.To[int64](0)
		s.StartTime, s.ExpirationTime = ptr.To(metav1.NewTime(r.clock.Now())), ptr.To(metav1.NewTime(r.clock.Now().Add(48*time.Hour)))
	})
	r.drive("up")
	u := r.expect("up", v1alpha1.ReasonUploading)
	r.part(u, 1, "ab")
	r.edit("up", completed)
	r.drive("up")
	if u := r.expect("up", v1alpha1.ReasonCompleted); u.Status.ObjectKey != "iot/"+r.key() {
		t.Errorf("the key is %q", u.Status.ObjectKey)
	}
}

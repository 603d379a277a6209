package controllers_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// restore makes the record of an upload as a backup has it: deleted, and created anew with the spec
// and status that were saved, under another UID.
func (r *rig) restore(saved *v1alpha1.MultipartUpload) *v1alpha1.MultipartUpload {
	r.t.Helper()
	r.removeByForce(r.ctx, &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Namespace: saved.Namespace, Name: saved.Name}})
	back := saved.DeepCopy()
	back.ObjectMeta = metav1.ObjectMeta{Namespace: saved.Namespace, Name: saved.Name, Labels: saved.Labels, Finalizers: saved.Finalizers}
	r.must(r.direct.Create(r.ctx, back))
	created := back.DeepCopy()
	back.Status = saved.Status
	r.must(r.direct.Status().Patch(r.ctx, back, client.MergeFrom(created)))
	return back
}

// A record out of a backup is compared with object storage, and loses.
func TestRestoredRecords(t *testing.T) {
	t.Run("TheUploadIsGone", func(t *testing.T) {
		r := newRig(t)
		saved := r.open("up")
		r.backend.LoseUpload(ref(saved))
		r.restore(saved)
		r.clock.Step(2 * time.Hour)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonUploadLost)
		r.open("again") // the path is free
	})
	t.Run("TheUploadIsGoneAndExpired", func(t *testing.T) {
		r := newRig(t)
		saved := r.open("up")
		r.backend.LoseUpload(ref(saved))
		r.clock.Step(50 * time.Hour)
		r.restore(saved)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonExpired)
	})
	t.Run("TheUploadIsOpen", func(t *testing.T) {
		r := newRig(t)
		u := r.restore(r.open("up"))
		r.part(u, 1, "ab")
		r.edit("up", completed)
		r.drive("up")
		r.expect("up", v1alpha1.ReasonCompleted)
		if r.content() != "ab" {
			t.Errorf("the file holds %q", r.content())
		}
	})
	// etcd went back to before the completion: the record is the same one, and the file is there.
	t.Run("TheFileWasCompleted", func(t *testing.T) {
		r := newRig(t)
		u := r.open("up")
		r.part(u, 1, "ab")
		parts, err := r.backend.ListParts(r.ctx, ref(u))
		r.must(err)
		_, err = r.backend.CompleteUpload(r.ctx, ref(u), parts, filestore.Condition{})
		r.must(err)
		r.clock.Step(2 * time.Hour)
		r.drive("up")
		if u = r.expect("up", v1alpha1.ReasonCompleted); *u.Status.Size != 2 || len(u.Finalizers) != 0 {
			t.Errorf("the record is %+v", u)
		}
	})
	// What an old record wants is not done to a file that has moved on.
	t.Run("TheFileHasMovedOn", func(t *testing.T) {
		for _, option := range []testkit.UploadOption{aborted, completed} {
			r := newRig(t)
			saved := r.open("up")
			r.part(saved, 1, "ab")
			r.backend.LoseUpload(ref(saved))
			r.plant(7)
			before := r.content()
			r.restore(saved)
			r.edit("up", option)
			r.drive("up")
			if u := r.get("up"); r.content() != before || !stalled(u) || len(u.Finalizers) != 0 {
				t.Errorf("the file holds %q, the record is %+v", r.content(), u)
			}
		}
	})
}

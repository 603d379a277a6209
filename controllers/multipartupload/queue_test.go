package multipartupload

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// What somebody waits for never stands behind what expires, or is collected.
func TestQueues(t *testing.T) {
	opened, ended, deleted := testkit.Opened("id"), testkit.Ended(testkit.Epoch), testkit.Deleted(testkit.Epoch)
	for name, c := range map[string]struct {
		options []testkit.UploadOption
		want    queue
	}{
		"Ended":        {[]testkit.UploadOption{opened, ended}, collection},
		"EndedDeleted": {[]testkit.UploadOption{opened, ended, deleted}, urgent},
		"Open":         {[]testkit.UploadOption{opened}, expiration},
		"New":          {nil, urgent},
		"Completing":   {[]testkit.UploadOption{opened, testkit.Wanting(v1alpha1.DesiredStateCompleted)}, urgent},
		"Aborting":     {[]testkit.UploadOption{opened, testkit.Wanting(v1alpha1.DesiredStateAborted)}, urgent},
		"Deleted":      {[]testkit.UploadOption{opened, deleted}, urgent},
	} {
		t.Run(name, func(t *testing.T) {
			u := testkit.Upload(c.options...)
			if got := queueOf(u); got != c.want {
				t.Fatalf("it is in the queue %s, want %s", names[got], names[c.want])
			}
			for q := range queues {
				if came := changesOf(q).Create(event.CreateEvent{Object: u}); came != (q == c.want) {
					t.Errorf("it comes to the queue %s: %t", names[q], came)
				}
			}
		})
	}
}

func TestWhatChangesTheQueue(t *testing.T) {
	version := func(v string, options ...testkit.UploadOption) *v1alpha1.MultipartUpload {
		u := testkit.Upload(options...)
		u.ResourceVersion = v
		return u
	}
	opened, ended, deleted := testkit.Opened("id"), testkit.Ended(testkit.Epoch), testkit.Deleted(testkit.Epoch)
	released := func(u *v1alpha1.MultipartUpload) { u.Finalizers = nil }
	for name, c := range map[string]struct {
		before, after *v1alpha1.MultipartUpload
		want          queue // or queues, for none
	}{
		"SomebodyBeginsToWait": {version("1", opened), version("2", opened, testkit.Wanting(v1alpha1.DesiredStateCompleted)), urgent},
		"Opened":               {version("1"), version("2", opened), expiration},
		"Ends":                 {version("1", opened), version("2", opened, ended), collection},
		"Released":             {version("1", opened, ended), version("2", opened, ended, released), queues},
		"ReleasedForDeletion":  {version("1", opened, ended), version("2", opened, ended, deleted, released), urgent},
		"EndedIsDeleted":       {version("1", opened, ended), version("2", opened, ended, deleted), urgent},
		"LookedAtAgain":        {version("1", opened, ended), version("1", opened, ended), collection},
	} {
		t.Run(name, func(t *testing.T) {
			for q := range queues {
				if came := changesOf(q).Update(event.UpdateEvent{ObjectOld: c.before, ObjectNew: c.after}); came != (q == c.want) {
					t.Errorf("it comes to the queue %s: %t", names[q], came)
				}
			}
		})
	}
	if u := testkit.Upload(opened, ended); changesOf(collection).Delete(event.DeleteEvent{Object: u}) {
		t.Error("an upload that has ended is looked at when its record is gone")
	}
	if u := testkit.Upload(opened, deleted); !changesOf(urgent).Delete(event.DeleteEvent{Object: u}) {
		t.Error("what was remembered of an open upload stays when its record is gone")
	}
}

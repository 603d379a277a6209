package multipartupload_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/controllers/multipartupload"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// However they come in, those that somebody waits for go first, then those that take parts and may
// have expired, then those that have ended.
func TestPriorities(t *testing.T) {
	named := func(name string, options ...testkit.UploadOption) v1alpha1.MultipartUpload {
		return *testkit.Upload(append(options, testkit.Named("ns", name))...)
	}
	uploads := []v1alpha1.MultipartUpload{ // the last ones first
		named("3-ended", testkit.Opened("id"), testkit.Ended(testkit.Epoch)),
		named("1-ended-deleted", testkit.Opened("id"), testkit.Ended(testkit.Epoch), testkit.Deleted(testkit.Epoch)),
		named("2-open", testkit.Opened("id")),
		named("1-new"),
		named("1-completing", testkit.Opened("id"), testkit.Wanting(v1alpha1.DesiredStateCompleted)),
		named("1-aborting", testkit.Opened("id"), testkit.Wanting(v1alpha1.DesiredStateAborted)),
		named("1-deleted", testkit.Opened("id"), testkit.Deleted(testkit.Epoch)),
	}
	want := []string{"1-ended-deleted", "1-new", "1-completing", "1-aborting", "1-deleted", "2-open", "3-ended"}
	t.Run("ByTheirOwnEvents", func(t *testing.T) {
		q := newQueue(t)
		handler := multipartupload.ByPriority(multipartupload.Itself)
		for i := range uploads {
			if i%2 == 0 {
				handler.Create(t.Context(), event.CreateEvent{Object: &uploads[i], IsInInitialList: true}, q)
			} else {
				handler.Update(t.Context(), event.UpdateEvent{ObjectOld: &uploads[i], ObjectNew: &uploads[i]}, q)
			}
		}
		expectOrder(t, q, want)
	})
	t.Run("ByAChangeOfTheirStore", func(t *testing.T) {
		q := newQueue(t)
		all := func(context.Context, client.Object) (all []*v1alpha1.MultipartUpload) {
			for i := range uploads {
				all = append(all, &uploads[i])
			}
			return all
		}
		fs := testkit.Store("store")
		multipartupload.ByPriority(all).Update(t.Context(), event.UpdateEvent{ObjectOld: fs, ObjectNew: fs}, q)
		expectOrder(t, q, want)
	})
	t.Run("WhatSomebodyBeginsToWaitForMovesUp", func(t *testing.T) {
		q := newQueue(t)
		handler := multipartupload.ByPriority(multipartupload.Itself)
		first, second := named("first", testkit.Opened("id")), named("second", testkit.Opened("id"))
		handler.Create(t.Context(), event.CreateEvent{Object: &first}, q)
		handler.Create(t.Context(), event.CreateEvent{Object: &second}, q)
		completing := named("second", testkit.Opened("id"), testkit.Wanting(v1alpha1.DesiredStateCompleted))
		handler.Update(t.Context(), event.UpdateEvent{ObjectOld: &second, ObjectNew: &completing}, q)
		expectOrder(t, q, []string{"second", "first"})
	})
}

func newQueue(t *testing.T) priorityqueue.PriorityQueue[reconcile.Request] {
	t.Helper()
	q := priorityqueue.New[reconcile.Request](t.Name())
	t.Cleanup(q.ShutDown)
	return q
}

// expectOrder takes all out of the queue.
func expectOrder(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request], want []string) {
	t.Helper()
	if n := q.Len(); n != len(want) {
		t.Fatalf("%d uploads in the queue, want %d", n, len(want))
	}
	var got []string
	for range want {
		req, _, _ := q.GetWithPriority()
		got = append(got, req.Name)
		q.Done(req)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

package dataplane_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestStartsAtOnce: of 60 starts at once, through two replicas, as many are opened as the namespace
// may have open, no more and no fewer.
func TestStartsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  func(*v1alpha1.FileStoreLimits)
		places int
	}{
		{"Uploads", func(l *v1alpha1.FileStoreLimits) { l.MaxOpenUploadsPerNamespace = new(int32(5)) }, 5},
		{"Bytes", func(l *v1alpha1.FileStoreLimits) { l.MaxIncompleteBytesPerNamespace = new(resource.MustParse("20Ki")) }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := memory.New(memory.Options{MinPartSize: -1})
			waits := func(o *dataplane.Options) { o.QueueTimeout = 3 * time.Second }
			s := newSystem(t, setup{store: store, limits: limited(c.limit), options: waits})
			replicas := []*system{s, s.replica(waits)}
			statuses := atOnce(60, func(i int) reply {
				return replicas[i%2].put(fmt.Sprintf("%s?upload=start", s.path(fmt.Sprintf("%d.bin", i))), nil, "X-File-Size", "5120")
			})
			if statuses[http.StatusCreated] != c.places || statuses[http.StatusTooManyRequests] != 60-c.places {
				t.Errorf("60 starts at once are answered with %v", statuses)
			}
			if open := len(store.OpenUploads()); open != c.places {
				t.Errorf("%d are open, want %d", open, c.places)
			}
			// A place that is given back is free for the next, at once.
			for _, u := range s.records() {
				if u.Status.UploadID == "" {
					continue
				}
				s.want(replicas[0].put(s.path(u.Spec.Path)+"?upload=abort", nil), 204)
				s.want(replicas[1].put(s.path("next-"+u.Spec.Path)+"?upload=start", nil, "X-File-Size", "5120"), 201)
			}
		})
	}
}

// TestManifestsAtOnce: the same of records that nobody has judged before the reconciler.
func TestManifestsAtOnce(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, limits: limited(func(l *v1alpha1.FileStoreLimits) { l.MaxOpenUploadsPerNamespace = new(int32(5)) })})
	atOnce(60, func(i int) reply {
		u := &v1alpha1.MultipartUpload{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: fmt.Sprintf("by-manifest-%d", i)},
			Spec:       v1alpha1.MultipartUploadSpec{StoreName: s.namespace, EntityID: entity, Path: fmt.Sprintf("%d.bin", i)},
		}
		if err := s.kube.Create(t.Context(), u); err != nil {
			t.Error(err)
		}
		return reply{}
	})
	s.eventually("judged", func() error {
		records := s.records()
		opened, refused := 0, 0
		for i := range records {
			u := &records[i]
			switch c := upload.Stalled(u); {
			case u.Status.UploadID != "":
				opened++
			case c != nil && c.Reason == v1alpha1.ReasonTooManyOpenUploads:
				refused++
			}
		}
		if opened > 5 || len(store.OpenUploads()) > 5 {
			t.Fatalf("%d are opened, %d open in the store", opened, len(store.OpenUploads()))
		}
		if opened+refused != 60 || opened != 5 {
			return fmt.Errorf("%d opened, %d refused", opened, refused)
		}
		return nil
	})
	// What waits until somebody acts is none of those that are open.
	s.wantRefusal(s.put(s.path("rest.bin")+"?upload=start", nil), 429, "as many uploads open as it may")
	for _, u := range s.records() {
		if u.Status.UploadID != "" {
			s.want(s.put(s.path(u.Spec.Path)+"?upload=abort", nil), 204)
			break
		}
	}
	s.eventually("started", func() error {
		if got := s.put(s.path("rest.bin")+"?upload=start", nil); got.status != 201 {
			return fmt.Errorf("start: %v", got)
		}
		return nil
	})
}

package dataplane_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestNameTaken: a manifest for another file that took the name of a REST upload is named, at once.
func TestNameTaken(t *testing.T) {
	s := newSystem(t, setup{})
	file := upload.File{Namespace: s.namespace, EntityID: entity, Path: "mine.bin"}
	must(t, s.kube.Create(t.Context(), &v1alpha1.MultipartUpload{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: upload.Name(s.namespace, file)},
		Spec:       v1alpha1.MultipartUploadSpec{EntityID: entity, Path: "theirs.bin"},
	}))
	got := s.want(s.put(s.path("mine.bin?upload=start"), nil), 409)
	if !strings.Contains(string(got.body), upload.Name(s.namespace, file)) {
		t.Errorf("the record is not named: %v", got)
	}
}

// TestQuotaFullOfItsOwnRecord: where a count quota is full, the record of a file that was completed
// does not keep the same file from being updated.
func TestQuotaFullOfItsOwnRecord(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	s.want(s.put(s.path("x?upload=complete"), []byte("one")), 201)
	s.eventually("completed in the cache", func() error { // else the start does not know the record
		if got := s.get(s.list("x")); got.status != 404 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "uploads"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/multipartuploads.iotfile.dev": resource.MustParse("1")}},
	}
	must(t, s.kube.Create(t.Context(), quota))
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{"count/multipartuploads.iotfile.dev": resource.MustParse("1")}}
	must(t, s.kube.Status().Update(t.Context(), quota)) // as a controller would have counted
	s.eventually("the quota known", func() error {
		if got := s.put(s.path("other?upload=start"), nil); got.status != 429 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	// The quota is full and stays so: the record has to go first. No controller counts it down
	// here, so the start is refused by the quota, and the record is gone.
	s.eventually("its own record gone", func() error {
		got := s.put(s.path("x?upload=start"), nil, "If-Match", "0")
		for _, u := range s.records() {
			if upload.Completed(&u) {
				return fmt.Errorf("%s is there: %v", u.Name, got)
			}
		}
		return nil
	})
}

// TestListWhileCompleting: the parts of an upload that is becoming the file are not listed as few
// or none.
func TestListWhileCompleting(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1, PartsVanish: true})
	s := newSystem(t, setup{store: store})
	s.started("x")
	hold := make(chan struct{})
	store.Inject(memory.Fault{Operation: memory.CompleteUpload, Times: 1, Before: memory.WaitFor(hold)})
	done := make(chan reply, 1)
	go func() { done <- s.put(s.path("x?upload=complete"), nil) }()
	s.eventually("completing", func() error {
		if got := s.get(s.list("x")); got.status != 409 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	close(hold)
	s.wantAnswer(done, 201)
}

// TestCompleteAfterRestore: the record comes from a backup that was made before the completion, of
// which only the file tells.
func TestCompleteAfterRestore(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store})
	content := s.started("x")
	u := s.only()
	meta := upload.FileMetadata{Owner: u.UID}
	parts, err := store.ListParts(t.Context(), filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID})
	must(t, err)
	if len(parts) != 1 {
		t.Fatal(parts)
	}
	store.SetObject(u.Status.ObjectKey, content, filestore.CreateUploadOptions{Metadata: meta.Encode()})
	store.LoseUpload(filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID})
	s.want(s.put(s.path("x?upload=complete"), nil), 201)
	s.eventually("recorded", func() error {
		if !upload.Completed(s.only()) {
			return errors.New("not completed")
		}
		return nil
	})
	// One whose file is another's is lost.
	s.started("y")
	for _, u := range s.records() {
		if u.Spec.Path == "y" {
			store.LoseUpload(filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID})
		}
	}
	s.want(s.put(s.path("y?upload=complete"), nil), 409)
}

// TestFileTag tells apart files that had the same number before and after a deletion.
func TestFileTag(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("x"), []byte("one")), 201)
	first := s.want(s.get(s.path("x")), 200).header.Get("X-File-Tag")
	s.want(s.do("DELETE", s.path("x"), nil), 204)
	s.want(s.put(s.path("x"), []byte("two")), 201)
	second := s.want(s.get(s.path("x")), 200).header.Get("X-File-Tag")
	if first == second || !strings.HasPrefix(first, "0-") || !strings.HasPrefix(second, "0-") {
		t.Fatalf("the tags are %q and %q", first, second)
	}
	for _, c := range []struct {
		header, tag string
		want        int
	}{
		{"If-Match", second, 200},
		{"If-Match", first, 412},
		{"If-Match", `"` + second + `"`, 200},
		{"If-Match", "0", 200},
		{"If-None-Match", second, 304},
		{"If-None-Match", first, 200},
	} {
		s.want(s.get(s.path("x"), c.header, c.tag), c.want)
	}
	s.want(s.get(s.path("x"), "Range", "bytes=1-", "If-Range", second), 206)
	s.want(s.get(s.path("x"), "Range", "bytes=1-", "If-Range", first), 200)
}

package dataplane_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/memory"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// forged makes the record of an upload of the file whose status somebody has written past every
// policy.
func (s *system) forged(file string, change func(*v1alpha1.MultipartUploadStatus)) *v1alpha1.MultipartUpload {
	s.t.Helper()
	of := upload.File{Namespace: s.namespace, EntityID: entity, Path: file}
	u := &v1alpha1.MultipartUpload{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: upload.Name(s.namespace, of)}}
	u.Spec.StoreName, u.Spec.EntityID, u.Spec.Path = s.namespace, entity, file
	must(s.t, s.kube.Create(s.t.Context(), u))
	before := u.DeepCopy()
	u.Status.StoreName, u.Status.ObjectKey = s.namespace, secretPrefix+of.TenantKey()
	u.Status.StartTime = ptr.To(metav1.Now())
	change(&u.Status)
	must(s.t, s.kube.Status().Patch(s.t.Context(), u, client.MergeFrom(before)))
	return u
}

// TestForgedStatusIsNotActedOn: whatever a status names, bytes go to the key of the request's file,
// or nowhere.
func TestForgedStatusIsNotActedOn(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, noControllers: true})
	key := secretPrefix + "victim/" + entity + "/secret.bin"
	store.SetObject(key, []byte("secret"), filestore.CreateUploadOptions{})
	id, err := store.CreateUpload(t.Context(), key, filestore.CreateUploadOptions{})
	must(t, err)
	for file, change := range map[string]func(*v1alpha1.MultipartUploadStatus){
		"key":   func(u *v1alpha1.MultipartUploadStatus) { u.ObjectKey, u.UploadID = key, id },
		"store": func(u *v1alpha1.MultipartUploadStatus) { u.StoreName, u.UploadID = "another", id },
		"id":    func(u *v1alpha1.MultipartUploadStatus) { u.UploadID = "../" + id },
		"start": func(u *v1alpha1.MultipartUploadStatus) {
			u.UploadID, u.StartTime = id, ptr.To(metav1.NewTime(time.Now().AddDate(1, 0, 0)))
		},
	} {
		s.forged(file, change)
		s.eventually("known", func() error {
			if got := s.put(s.path(file+"?part=1"), randomBytes(3000)); got.status != 409 || !strings.Contains(string(got.body), "says what cannot be true") {
				return fmt.Errorf("a part: %v", got)
			}
			return nil
		})
		for what, got := range map[string]reply{
			"complete":             s.put(s.path(file+"?upload=complete"), nil),
			"complete with a body": s.put(s.path(file+"?upload=complete"), randomBytes(3000)),
			"complete by date":     s.put(s.path(file+"?upload=complete"), nil, "If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT"),
			"list":                 s.get(s.list(file)),
		} {
			if got.status != 409 || !strings.Contains(string(got.body), "says what cannot be true") {
				t.Errorf("%s of %s: %v", what, file, got)
			}
		}
	}
	for _, call := range []memory.Operation{memory.PutPart, memory.ListParts, memory.CompleteUpload, memory.AbortUpload} {
		if n := store.Calls(call); n != 0 {
			t.Errorf("object storage was asked to %s %d times", call, n)
		}
	}
}

// TestForgedIDNamesNothing: an id of another key is none of this one.
func TestForgedIDNamesNothing(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, noControllers: true})
	theirs := filestore.UploadRef{Key: secretPrefix + "victim/" + entity + "/secret.bin"}
	var err error
	theirs.UploadID, err = store.CreateUpload(t.Context(), theirs.Key, filestore.CreateUploadOptions{})
	must(t, err)
	s.forged("x", func(u *v1alpha1.MultipartUploadStatus) { u.UploadID = theirs.UploadID })
	s.eventually("known", func() error {
		if got := s.put(s.path("x?part=1"), randomBytes(3000)); got.status != 409 || store.Calls(memory.PutPart) == 0 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	if parts, err := store.ListParts(t.Context(), theirs); err != nil || len(parts) != 0 {
		t.Errorf("the other upload has %+v, %v", parts, err)
	}
}

// TestForgedExpirationTime: the time of an upload is over when its start and its ttl say so.
func TestForgedExpirationTime(t *testing.T) {
	store := memory.New(memory.Options{MinPartSize: -1})
	s := newSystem(t, setup{store: store, noControllers: true})
	for file, c := range map[string]struct {
		started, expires time.Duration // from now
		want             int
	}{
		"prolonged": {-49 * time.Hour, time.Hour, 409},
		"shortened": {-time.Hour, -time.Minute, 201},
	} {
		id, err := store.CreateUpload(t.Context(), secretPrefix+s.namespace+"/"+entity+"/"+file, filestore.CreateUploadOptions{})
		must(t, err)
		s.forged(file, func(u *v1alpha1.MultipartUploadStatus) {
			u.UploadID, u.StartTime = id, ptr.To(metav1.NewTime(time.Now().Add(c.started)))
			u.ExpirationTime = ptr.To(metav1.NewTime(time.Now().Add(c.expires)))
		})
		s.eventually("answered", func() error {
			got := s.put(s.path(file+"?part=1"), randomBytes(3000))
			if got.status != c.want || c.want == 409 && !bytes.Contains(got.body, []byte("time is over")) {
				return fmt.Errorf("%s: %v", file, got)
			}
			return nil
		})
	}
}

package dataplane

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/failpoint"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// clearEnded removes the ended record that has the name of u, if the cache has one: in a namespace
// whose count quota is full, it would keep its own successor from being recorded.
func (s *Server) clearEnded(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	known, err := s.uploads.known(ctx, upload.FileOf(u))
	if err != nil {
		return err
	}
	for _, old := range known {
		if old.Name == u.Name && !upload.Open(old) {
			return s.clearName(ctx, u)
		}
	}
	return nil
}

// clearName makes the name of u free: it removes the ended record that has it, and waits for one
// that is going. One that is open is left to the next look, unless it is of another file: a
// manifest may have any name.
func (s *Server) clearName(ctx context.Context, u *v1alpha1.MultipartUpload) error {
	old, err := s.uploads.get(ctx, client.ObjectKeyFromObject(u))
	switch {
	case err != nil || old == nil:
		return err
	case upload.Open(old) && upload.FileOf(old) != upload.FileOf(u):
		return apierror.Conflict(fmt.Sprintf("the MultipartUpload %q, which uploads another file, has the name that the upload of this file needs: its owner has to end it or give it another name", old.Name))
	case upload.Open(old):
		return nil
	}
	w := s.uploads.Watch(old.UID)
	defer w.Stop()
	if old.DeletionTimestamp == nil {
		if old.Labels[v1alpha1.LabelCreatedThrough] != v1alpha1.CreatedThroughREST {
			return apierror.Conflict(fmt.Sprintf("the MultipartUpload %q, which has ended, was made by hand and has the name that the upload of this file needs: its owner has to delete it", old.Name))
		}
		if err := s.uploads.remove(ctx, old, true); err != nil {
			return err
		}
		failpoint.Hit(failpoint.StartNameCleared)
	}
	return s.uploads.Await(ctx, w, old, func(now *v1alpha1.MultipartUpload) (bool, error) { return now == nil, nil })
}

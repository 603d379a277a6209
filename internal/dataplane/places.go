package dataplane

import (
	"context"
	"fmt"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/catalog"
	"github.com/iotfile-operator/iotfile-operator/internal/dataplane/apierror"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// claimKept is how long the place of a start is kept whose record the cache does not show, although
// it was opened: the cache is behind by less.
const claimKept = 10 * time.Second

// claimPlace takes one of the namespace's places for the upload u, which is about to be recorded:
// it counts what the cache has and what this replica has let in since, so that of many starts at
// once no more are recorded than have a place. Other replicas may do the same at the same time: the
// reconciler decides among them. The caller calls release once, with whether the cache will tell of
// the upload.
func (s *Server) claimPlace(ctx context.Context, fs *v1alpha1.FileStore, u *v1alpha1.MultipartUpload) (release func(recorded bool), err error) {
	if !upload.LimitsOf(fs).Count(true) {
		return func(bool) {}, nil
	}
	place := upload.Tenant{Namespace: u.Namespace, Store: fs.Name}
	err = s.places.Admit(place, u.Name, upload.IncompleteBytes(u), time.Now(), func(others upload.Claimed) error {
		return s.admitBeside(ctx, fs, u, others)
	})
	if err != nil {
		return nil, err
	}
	return func(recorded bool) {
		if !recorded || s.uploads.Cached(ctx, u) {
			s.places.Release(u.Namespace, u.Name)
		}
	}, nil
}

// checkPlace refuses early what claimPlace would refuse.
func (s *Server) checkPlace(ctx context.Context, fs *v1alpha1.FileStore, u *v1alpha1.MultipartUpload) error {
	return s.admitBeside(ctx, fs, u, s.places.Others(upload.Tenant{Namespace: u.Namespace, Store: fs.Name}, u.Name, time.Now()))
}

// admitBeside holds the limits of open uploads and of declared bytes against u, beside what others
// hold.
func (s *Server) admitBeside(ctx context.Context, fs *v1alpha1.FileStore, u *v1alpha1.MultipartUpload, others upload.Claimed) error {
	limits := upload.LimitsOf(fs)
	if !limits.Count(u.Spec.Size != nil) {
		return nil
	}
	declared := u.Spec.Size != nil && limits.MaxIncompleteBytes > 0
	held, err := s.uploads.Held(ctx, upload.Tenant{Namespace: u.Namespace, Store: fs.Name}, catalog.ByOpen, others, u.Name)
	if err != nil {
		return &apierror.ClusterError{Op: "count uploads in the cache", Err: err}
	}
	if held.Full(limits) {
		return &apierror.StalledError{Reason: v1alpha1.ReasonTooManyOpenUploads, Message: fmt.Sprintf("%d are open", held.Open)}
	}
	if declared {
		return upload.AdmitBytes(*u.Spec.Size, held.Bytes, limits)
	}
	return nil
}

// incompleteIn adds up what the namespace's uploads in a store count with, but for one, by the
// cache: it is behind by as much as progress is.
func (k *uploads) incompleteIn(ctx context.Context, namespace, store, except string) (int64, error) {
	held, err := k.Held(ctx, upload.Tenant{Namespace: namespace, Store: store}, catalog.ByOpen, nil, except)
	if err != nil {
		return 0, &apierror.ClusterError{Op: "count uploads in the cache", Err: err}
	}
	return held.Bytes, nil
}

package main

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// removeAll deletes all records, as kubectl would: none may stay, held by its finalizer, and
// nothing in object storage but files.
func (w *world) removeAll(ctx context.Context) error {
	if err := w.kube.DeleteAllOf(ctx, &v1alpha1.MultipartUpload{}, client.InNamespace(namespace)); err != nil {
		return err
	}
	return w.until(ctx, quiesceTimeout, func() error {
		records, err := w.records(ctx)
		if err != nil {
			return err
		}
		if len(records) > 0 {
			u := records[0]
			return fmt.Errorf("%d records stay, such as %s, with the finalizers %v: %v", len(records), u.Name, u.Finalizers, u.Status.Conditions)
		}
		orphans, err := w.orphans(ctx)
		for _, d := range orphans {
			if !slices.ContainsFunc(w.onlyOnDisk, func(known devcluster.UploadDir) bool { return known.ID == d.ID }) {
				return fmt.Errorf("%d uploads are on the store's disk, such as %s", len(orphans), describeUpload(d))
			}
		}
		return err
	})
}

package main

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// removeAll deletes all records, as kubectl would: none may stay, held by its finalizer, and nothing in object storage but files.
func (w *world) removeAll(ctx context.Context) error {
	if err := w.kube.DeleteAllOf(ctx, &v1alpha1.MultipartUpload{}, client.InNamespace(namespace)); err != nil {
		return err
	}
	return w.until(ctx, settleLimit, func() error {
		records, err := w.records(ctx)
		if err != nil {
			return err
		}
		if len(records) > 0 {
			u := records[0]
			return fmt.Errorf("%d records stay, such as %s, with the finalizers %v: %v", len(records), u.Name, u.Finalizers, u.Status.Conditions)
		}
		open, err := w.openUploads(ctx)
		if err == nil && len(open) > 0 {
			err = fmt.Errorf("%d uploads are open in object storage: %v", len(open), open)
		}
		return err
	})
}

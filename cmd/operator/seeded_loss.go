//go:build seededloss

package main

import (
	"context"
	"io"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// seeded is the fault of a build with the tag "seededloss": files are written whatever is there, so
// that of two updates of one version both are acknowledged, and one is lost. Whatever claims to
// find lost updates has to find this one.
func seeded(store filestore.Store) filestore.Store { return unconditional{store} }

type unconditional struct{ filestore.Store }

// CompleteUpload implements filestore.Lifecycle, but for the condition.
func (u unconditional) CompleteUpload(ctx context.Context, ref filestore.UploadRef, parts []filestore.Part, _ filestore.Condition) (filestore.Object, error) {
	return u.Store.CompleteUpload(ctx, ref, parts, filestore.Condition{})
}

// PutObject implements filestore.ObjectWriter, but for the condition.
func (u unconditional) PutObject(ctx context.Context, key string, body io.Reader, size int64, opts filestore.CreateUploadOptions, _ filestore.Condition) (filestore.Object, error) {
	return u.Store.PutObject(ctx, key, body, size, opts, filestore.Condition{})
}

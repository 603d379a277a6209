package catalog

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// Records are the MultipartUploads of one file, in no order.
type Records []*v1alpha1.MultipartUpload

// Open returns the one that has the file, nil if none has.
func (rs Records) Open() *v1alpha1.MultipartUpload { return rs.first(upload.Open) }

// Holder returns the one that keeps others from the file, nil if none does.
func (rs Records) Holder() *v1alpha1.MultipartUpload { return rs.first(upload.Holds) }

// first is the one that has the file before all others that are counted.
func (rs Records) first(counts func(*v1alpha1.MultipartUpload) bool) *v1alpha1.MultipartUpload {
	var first *v1alpha1.MultipartUpload
	for _, u := range rs {
		if counts(u) && (first == nil || upload.Goes(u, first)) {
			first = u
		}
	}
	return first
}

// Completed returns the one that became the file last, nil if there is none.
func (rs Records) Completed() *v1alpha1.MultipartUpload {
	var last *v1alpha1.MultipartUpload
	for _, u := range rs {
		if !upload.Completed(u) || u.Status.CompletionTime == nil {
			continue
		}
		if last == nil || last.Status.CompletionTime.Before(u.Status.CompletionTime) {
			last = u
		}
	}
	return last
}

// OfFile returns the uploads of the file that the cache has, whatever they are called.
func (c *Catalog) OfFile(ctx context.Context, file upload.File) (Records, error) {
	var out Records
	err := c.eachUpload(ctx, query{file.Namespace, string(ByFile), FileKey(file)}, func(u *v1alpha1.MultipartUpload) bool {
		if upload.FileOf(u) == file {
			out = append(out, u)
		}
		return true
	})
	return out, err
}

// Named returns the upload that the cache has by the name derived for the file and its store, nil
// if that is none of the file. Nearly all are found so, and at a fraction of what OfFile takes.
// That there is none means nothing: the upload may have been made by a manifest.
func (c *Catalog) Named(ctx context.Context, file upload.File, store string) *v1alpha1.MultipartUpload {
	u, err := c.uploads.get(ctx, client.ObjectKey{Namespace: file.Namespace, Name: upload.Name(store, file)})
	if err != nil || upload.FileOf(u) != file {
		return nil
	}
	return u
}

// LiveOfFile returns the uploads of the file as the API server has them: those that the cache has,
// and the one of the derived name in store, which may be empty. An upload by manifest, which can
// have any name, is not found before the cache has it. They are the caller's own.
func (c *Catalog) LiveOfFile(ctx context.Context, file upload.File, store string) (Records, error) {
	known, err := c.OfFile(ctx, file)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	if store != "" {
		names[upload.Name(store, file)] = true
	}
	for _, u := range known {
		names[u.Name] = true
	}
	var out Records
	for name := range names {
		u, err := c.LiveUpload(ctx, client.ObjectKey{Namespace: file.Namespace, Name: name})
		if err != nil {
			return nil, err
		}
		if u != nil && upload.FileOf(u) == file {
			out = append(out, u)
		}
	}
	return out, nil
}

// Upload finds an upload by its name in the cache. The error of one that is not there is NotFound.
func (c *Catalog) Upload(ctx context.Context, key client.ObjectKey) (*v1alpha1.MultipartUpload, error) {
	return c.uploads.get(ctx, key)
}

// LiveUpload reads one upload from the API server, nil if it is not there.
func (c *Catalog) LiveUpload(ctx context.Context, key client.ObjectKey) (*v1alpha1.MultipartUpload, error) {
	u := &v1alpha1.MultipartUpload{}
	err := c.live.Get(ctx, key, u)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get upload: %w", err)
	}
	return u, nil
}

// liveHolders bounds how many uploads of a file LiveHolder reads from the API server. More than one
// or two are seldom: the first that the cache believes to have the file has it, unless it has just
// ended.
const liveHolders = 8

// LiveHolder returns an upload that keeps others from the file, nil if none does. The cache names
// it, and the API server is asked before it is believed.
func (c *Catalog) LiveHolder(ctx context.Context, file upload.File) (*v1alpha1.MultipartUpload, error) {
	var names []client.ObjectKey
	err := c.eachUpload(ctx, query{file.Namespace, string(ByFile), FileKey(file)}, func(u *v1alpha1.MultipartUpload) bool {
		if upload.FileOf(u) == file && upload.Holds(u) {
			names = append(names, client.ObjectKeyFromObject(u))
		}
		return len(names) < liveHolders
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		now, err := c.LiveUpload(ctx, name)
		if err != nil {
			return nil, err
		}
		if now != nil && upload.Holds(now) && upload.FileOf(now) == file {
			return now, nil
		}
	}
	return nil, nil
}

// EachUpload calls yield for every upload that the cache has, in no order.
func (c *Catalog) EachUpload(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error {
	return c.eachUpload(ctx, query{}, func(u *v1alpha1.MultipartUpload) bool {
		yield(u)
		return true
	})
}

func (c *Catalog) eachUpload(ctx context.Context, q query, yield func(*v1alpha1.MultipartUpload) bool) error {
	return c.uploads.each(ctx, q, func(options []client.ListOption) ([]*v1alpha1.MultipartUpload, error) {
		var found v1alpha1.MultipartUploadList
		err := c.uploads.cached.List(ctx, &found, options...)
		return pointers(found.Items), err
	}, yield)
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

// LivePage is how many records EachLiveUpload reads at once: a hundred thousand in one answer take
// the API server, and this process, hundreds of megabytes.
const LivePage = 500

// EachLiveUpload calls yield for every upload that the API server has, all as of one moment. An
// error means that yield may not have seen all; reading that takes longer than the API server keeps
// the moment, minutes, fails.
func (c *Catalog) EachLiveUpload(ctx context.Context, yield func(*v1alpha1.MultipartUpload)) error {
	next := ""
	for {
		var page v1alpha1.MultipartUploadList
		if err := c.live.List(ctx, &page, client.Limit(LivePage), client.Continue(next)); err != nil {
			return fmt.Errorf("list MultipartUploads: %w", err)
		}
		for i := range page.Items {
			yield(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// Held is what the uploads of a tenant that by finds hold in a store, by the cache and beside what
// is claimed, but for the one named except.
func (c *Catalog) Held(ctx context.Context, of upload.Tenant, by Index, claimed upload.Claimed, except string) (held upload.Held, err error) {
	held = claimed.Beside(func(yield func(*v1alpha1.MultipartUpload) bool) {
		err = c.eachUpload(ctx, query{of.Namespace, string(by), of.Store}, yield)
	}, except)
	return held, err
}

package s3

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

const (
	// probeCleanup bounds the cleaning up, which goes on when the context of the probe is over.
	probeCleanup = 15 * time.Second
	// noETag is one that no object has.
	noETag = "00000000000000000000000000000000"
)

// probe is one run of Probe. Its object marks it: first stored and last deleted, and objects can be
// listed by prefix everywhere, so what a dead probe has left is found even where uploads are listed
// by exact key only.
type probe struct {
	*store
	key    string
	etag   string           // of the object
	before filestore.Object // the object before bodies are sent that must not replace it
	open   filestore.UploadRef
	part   filestore.Part // of the open upload
	// loose are the other keys of which an upload may be open.
	loose map[string]bool
	// late: an upload may yet be opened, by a request whose answer was lost.
	late bool
}

// Probe implements filestore.Prober. It takes some fifty requests and less than a megabyte.
func (s *store) Probe(ctx context.Context) (v1alpha1.FileStoreCapabilities, error) {
	p := &probe{store: s, key: s.cfg.Prefix + probeDir + rand.Text(), loose: map[string]bool{}}
	var caps v1alpha1.FileStoreCapabilities
	// Listing comes first: it fails with a code that says why, and S3 answers for missing objects
	// with 403 instead of 404 where it is not allowed.
	if err := p.sweep(ctx); err != nil {
		return caps, err
	}
	defer p.cleanUp(ctx)
	if err := p.mark(ctx); err != nil {
		return caps, err
	}
	var err error
	if caps.PayloadMode, err = p.findMode(ctx); err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	if caps.UploadListing, err = p.findListing(ctx); err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	if err := p.findConditionalPut(ctx, &caps); err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	listed := p.findListingMetadata(ctx)
	if caps.Keys, err = p.findKeyLimits(ctx); err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	complete, keeps, err := p.findCompletion(ctx)
	if err != nil {
		return v1alpha1.FileStoreCapabilities{}, err
	}
	caps.ListingMetadata, caps.ConditionalComplete, caps.AbortKeepsObject = &listed, &complete, &keeps
	return caps, nil
}

// findCompletion completes the upload of the probe, which replaces its object. It finds whether
// that can be under a condition, and whether the object stays when the upload is aborted
// afterwards.
func (p *probe) findCompletion(ctx context.Context) (conditional, keeps bool, err error) {
	if err := p.replaceParts(ctx); err != nil {
		return false, false, err
	}
	upload := p.open
	if conditional, err = p.findConditional(ctx); err != nil {
		return false, false, err
	}
	if err := p.tookReplacement(ctx); err != nil {
		return false, false, err
	}
	keeps, err = p.findAbortKeeps(ctx, upload)
	return conditional, keeps, err
}

// Claim implements filestore.Prober. It knows no payload mode yet.
func (s *store) Claim(ctx context.Context, id string) (string, error) {
	key := s.cfg.Prefix + filestore.ClaimKey
	return filestore.Claim(ctx, key, id, s.Stat, func(metadata map[string]string) error {
		opts := minio.PutObjectOptions{ContentType: probeOptions.ContentType, UserMetadata: userMetadata(metadata)}
		demand(&opts, filestore.Condition{Absent: true})
		return s.putSigned(ctx, key, filestore.ClaimContent, opts)
	})
}

// putSigned stores a small object with a signature over its bytes, which every backend takes.
func (s *store) putSigned(ctx context.Context, key, content string, opts minio.PutObjectOptions) error {
	sum := sha256.Sum256([]byte(content))
	opts.DisableContentSha256 = true
	_, err := s.core.PutObject(ctx, s.cfg.Bucket, key, strings.NewReader(content), int64(len(content)), "", hex.EncodeToString(sum[:]), opts)
	return translate(ctx, opPutObject, err)
}

// sweep removes what probes that died have left.
func (p *probe) sweep(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing when this returns early
	before := time.Now().Add(-p.leftoverAge)
	for o := range p.core.Client.ListObjects(ctx, p.cfg.Bucket, minio.ListObjectsOptions{Prefix: p.cfg.Prefix + probeDir, Recursive: true}) {
		if o.Err != nil {
			return translate(ctx, opListObjects, o.Err)
		}
		if o.LastModified.Before(before) {
			if err := p.abortUploads(ctx, ProbeKeys(o.Key)); err != nil {
				return err
			}
			if err := p.removeObjects(ctx, o.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// abortUploads aborts the open uploads of the keys.
func (p *probe) abortUploads(ctx context.Context, keys []string) error {
	for _, key := range keys {
		var open []filestore.UploadRef
		err := p.ListUploads(ctx, key, func(u filestore.Upload) bool {
			open = append(open, u.UploadRef)
			return true
		})
		if err != nil && !filestore.Terminal(err) { // that would be a backend that cannot list uploads
			return err
		}
		for _, ref := range open {
			if err := p.AbortUpload(ctx, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// unversioned is the version of an object that was stored while its bucket kept none.
const unversioned = "null"

// removeObjects deletes the object of a probe for good. A bucket that keeps versions has one of
// each object that the probe has stored, all at the key or behind it, and would keep them for ever.
// Where they cannot be deleted, for want of a right or under a retention, they stay.
func (p *probe) removeObjects(ctx context.Context, key string) error {
	var versions []minio.ObjectInfo
	for v := range p.core.Client.ListObjects(ctx, p.cfg.Bucket, minio.ListObjectsOptions{Prefix: key, Recursive: true, WithVersions: true}) {
		if v.Err == nil && v.VersionID != "" && v.VersionID != unversioned {
			versions = append(versions, v)
		}
	}
	gone := false
	// The newest of the key is the first of the list, and what a sweep finds the others by.
	for _, v := range slices.Backward(versions) {
		if err := p.core.RemoveObject(ctx, p.cfg.Bucket, v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID}); err != nil {
			gone = false
			break
		}
		gone = gone || v.Key == key
	}
	if gone { // one more deletion would leave a mark
		return nil
	}
	return translate(ctx, opDelete, p.core.RemoveObject(ctx, p.cfg.Bucket, key, minio.RemoveObjectOptions{}))
}

// cleanUp removes what this probe has made. What it fails to remove, a later sweep does, which
// finds it by the object of the probe: that goes last, and stays while an upload may yet be opened.
func (p *probe) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeCleanup)
	defer cancel()
	if p.open.UploadID != "" {
		_ = p.AbortUpload(ctx, p.open)
	}
	keys := slices.Collect(maps.Keys(p.loose))
	if err := p.abortUploads(ctx, append(keys, p.key)); err == nil && !p.late {
		_ = p.removeObjects(ctx, p.key)
	}
}

// create opens an upload. One that may be open although the answer is an error is loose: its id is
// not known.
func (p *probe) create(ctx context.Context, key string) (filestore.UploadRef, error) {
	id, err := p.CreateUpload(ctx, key, filestore.CreateUploadOptions{ContentType: probeOptions.ContentType})
	if err != nil && !filestore.Terminal(err) {
		p.loose[key] = true
		_, answered := filestore.Answered(err)
		p.late = p.late || !answered
	}
	return filestore.UploadRef{Key: key, UploadID: id}, err
}

// mark stores the object of the probe.
func (p *probe) mark(ctx context.Context) error {
	sum := sha256.Sum256([]byte(probeContent))
	info, err := p.core.PutObject(ctx, p.cfg.Bucket, p.key, strings.NewReader(probeContent), int64(len(probeContent)), "", hex.EncodeToString(sum[:]),
		minio.PutObjectOptions{ContentType: probeOptions.ContentType, DisableContentSha256: true})
	if err != nil {
		return translate(ctx, opPutObject, err)
	}
	p.etag = trimETag(info.ETag)
	return nil
}

// findListing looks for the open upload in the listings.
func (p *probe) findListing(ctx context.Context) (v1alpha1.UploadListing, error) {
	for _, try := range []struct {
		prefix  string
		listing v1alpha1.UploadListing
	}{
		{p.cfg.Prefix + probeDir, v1alpha1.UploadListingPrefix},
		{p.key, v1alpha1.UploadListingExactKey},
	} {
		found := false
		err := p.ListUploads(ctx, try.prefix, func(u filestore.Upload) bool {
			found = u.UploadRef == p.open
			return !found
		})
		if err != nil && !filestore.Terminal(err) {
			return "", err
		}
		if found {
			return try.listing, nil
		}
	}
	return v1alpha1.UploadListingNone, nil
}

// findAbortKeeps aborts the upload that became the object, and looks whether the object is still
// there, whole. In public reports it is gone on some backends (seaweedfs#10663).
func (p *probe) findAbortKeeps(ctx context.Context, completed filestore.UploadRef) (bool, error) {
	before, err := p.Stat(ctx, p.key)
	if err != nil {
		return false, err
	}
	if err := p.AbortUpload(ctx, completed); err != nil {
		if filestore.Terminal(err) {
			return false, nil // it need not be asked for that again
		}
		return false, err
	}
	after, err := p.Stat(ctx, p.key)
	if errors.Is(err, filestore.ErrNotFound) {
		return false, nil
	}
	return err == nil && after.ETag == before.ETag && after.Size == before.Size, err
}

// findConditional completes the open upload under conditions that do not hold, and at last under
// one that does.
func (p *probe) findConditional(ctx context.Context) (bool, error) {
	conditional := true
	for _, cond := range []filestore.Condition{{Absent: true}, {ETag: noETag}} {
		_, err := p.complete(ctx, cond)
		switch {
		case err == nil, p.assembled(ctx, p.key, p.part.Size, err): // the backend has not even looked at the condition, and the upload is used up
			p.open = filestore.UploadRef{}
			return false, nil
		case errors.Is(err, filestore.ErrPrecondition):
		case filestore.Terminal(err):
			conditional = false
		default:
			return false, err
		}
	}
	var cond filestore.Condition
	if conditional {
		cond.ETag = p.etag
	}
	if _, err := p.complete(ctx, cond); err != nil && !p.assembled(ctx, p.key, p.part.Size, err) {
		return false, fmt.Errorf("an upload cannot be completed: %w", err)
	}
	p.open = filestore.UploadRef{}
	return conditional, nil
}

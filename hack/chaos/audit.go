package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// quiesceTimeout is how long the healed system may take to come to where it should be.
const quiesceTimeout = 3 * time.Minute

// audit looks at everything from outside, once the system is healed and the clients are gone.
func (w *world) audit(ctx context.Context, before []holding) error {
	if err := w.waitStore(ctx); err != nil {
		return err
	}
	must := func(what string, err error) {
		if err != nil {
			w.violated(nil, "%s: %v", what, err)
		}
	}
	w.report.say("waiting until nothing is under way")
	must("uploads that do not come to an end", w.until(ctx, quiesceTimeout, func() error { return w.quiesced(ctx) }))
	w.report.say("comparing open uploads with records")
	must("open uploads", w.until(ctx, quiesceTimeout, func() error { return w.compareUploads(ctx) }))
	w.report.say("comparing the store's disk with records")
	must("the store's disk", w.compareDisk(ctx))
	w.compareLeft(ctx)
	w.report.say("auditing %d files", len(w.files.all()))
	must("files", w.compareFiles(ctx))
	w.report.say("deleting all records")
	must("what is left when all was aborted", w.removeAll(ctx))
	w.report.say("waiting until the operators are at rest")
	must("rest", w.checkRest(ctx, before))
	return ctx.Err()
}

// quiesced reports whether no upload is on its way to an end.
func (w *world) quiesced(ctx context.Context) error {
	records, err := w.records(ctx)
	if err != nil {
		return err
	}
	for i := range records {
		u := &records[i]
		over := u.Status.ExpirationTime != nil && u.Status.ExpirationTime.Time.Before(time.Now())
		switch {
		case upload.Ended(u) && u.DeletionTimestamp == nil, upload.Stalled(u) != nil && !over && u.DeletionTimestamp == nil:
		case u.DeletionTimestamp != nil, over, u.Status.UploadID == "", upload.Desired(u) != v1alpha1.DesiredStateUploading:
			return fmt.Errorf("%s is %s (wanted %s, deleted %v, expires %v): %v", u.Name, u.Status.Phase, upload.Desired(u), u.DeletionTimestamp, u.Status.ExpirationTime, u.Status.Conditions)
		}
	}
	return nil
}

// openUploads are the uploads that object storage knows of, key by id. MinIO lists by exact key
// only.
func (w *world) openUploads(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range w.files.all() {
		found, err := w.s3.ListMultipartUploads(ctx, bucket, f.key(), "", "", "", 1000)
		if err != nil {
			return nil, err
		}
		for _, u := range found.Uploads {
			if u.Key == f.key() {
				out[u.UploadID] = u.Key
			}
		}
	}
	return out, nil
}

// compareUploads: each open upload has a record that is open, and the reverse.
func (w *world) compareUploads(ctx context.Context) error {
	open, err := w.openUploads(ctx)
	if err != nil {
		return err
	}
	records, err := w.records(ctx)
	if err != nil {
		return err
	}
	for i := range records {
		u := &records[i]
		if upload.Ended(u) || u.Status.UploadID == "" {
			continue
		}
		if _, ok := open[u.Status.UploadID]; !ok && !lost(u) {
			return fmt.Errorf("%s is %s, and object storage does not have its upload of %s", u.Name, u.Status.Phase, u.Status.ObjectKey)
		}
		delete(open, u.Status.UploadID)
	}
	if len(open) > 0 {
		return fmt.Errorf("%d uploads are open that no record owns: %v", len(open), open)
	}
	return nil
}

func lost(u *v1alpha1.MultipartUpload) bool {
	c := upload.Stalled(u)
	return c != nil && c.Reason == v1alpha1.ReasonUploadLost
}

// compareLeft: of uploads that were left open, all parts that were acknowledged are there.
func (w *world) compareLeft(ctx context.Context) {
	for _, f := range w.files.all() {
		for _, a := range f.attempts {
			if a.left {
				if err := w.compareParts(ctx, f, a); err != nil {
					w.violated(f, "of %s, which was left open: %v", a.id, err)
				}
			}
		}
	}
}

func (w *world) compareParts(ctx context.Context, f *file, a *attempt) error {
	w.report.count("uploads left open")
	found, err := w.s3.ListMultipartUploads(ctx, bucket, f.key(), "", "", "", 1000)
	if err != nil || len(found.Uploads) != 1 {
		return fmt.Errorf("%d uploads are open: %w", len(found.Uploads), err)
	}
	parts, err := w.s3.ListObjectParts(ctx, bucket, f.key(), found.Uploads[0].UploadID, 0, 1000)
	if err != nil {
		return err
	}
	etags := newestOf(parts.ObjectParts)
	for _, p := range a.pieces {
		if !slices.ContainsFunc(p.allowed(), func(c content) bool { return slices.Contains(etags[p.number], c.etag()) }) {
			return fmt.Errorf("part %d has the ETag %q, which is of nothing that was sent as it", p.number, etags[p.number])
		}
	}
	return nil
}

// newestOf gives the ETags of the parts by their numbers. Where a store lists every copy of a part,
// they are those of the last ones, of which there may be several within a second.
func newestOf(parts []minio.ObjectPart) map[int][]string {
	etags, times := map[int][]string{}, map[int]time.Time{}
	for _, p := range parts {
		switch p.LastModified.Compare(times[p.PartNumber]) {
		case 1:
			etags[p.PartNumber], times[p.PartNumber] = nil, p.LastModified
		case -1:
			continue
		}
		etags[p.PartNumber] = append(etags[p.PartNumber], strings.Trim(p.ETag, `"`))
	}
	return etags
}

// compareFiles: each file is, to the byte, what was sent, its operations can be put in order, and
// there are no other files.
func (w *world) compareFiles(ctx context.Context) error {
	known := map[string]bool{}
	for _, f := range w.files.all() {
		known[f.key()] = true
		began := time.Now()
		a, err := w.compareFile(ctx, f)
		if err == nil {
			f.record(operation{kind: opRead, who: "audit", attempt: a, call: began, end: time.Now()})
		} else {
			w.violated(f, "in object storage: %v", err)
		}
		w.checkFile(f)
		if a != nil {
			w.report.count("files audited")
		}
	}
	for object := range w.s3.Client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, Prefix: namespace + "/"}) {
		if object.Err != nil {
			return object.Err
		}
		if !known[object.Key] {
			return fmt.Errorf("there is a file that nobody has made: %s", object.Key)
		}
	}
	return nil
}

// compareFile reads a file and gives the attempt that it is of, nil if there is none.
func (w *world) compareFile(ctx context.Context, f *file) (*attempt, error) {
	body, info, _, err := w.s3.GetObject(ctx, bucket, f.key(), minio.GetObjectOptions{})
	if code := minio.ToErrorResponse(err).Code; code == minio.NoSuchKey {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	metadata := map[string]string{}
	for key, value := range info.UserMetadata {
		metadata[strings.ToLower(key)] = value
	}
	seen := upload.DecodeFileMetadata(metadata)
	a := f.find(seen.Description)
	if a == nil {
		return nil, fmt.Errorf("the file is of an attempt %q that nobody has made", seen.Description)
	}
	if seen.Version != a.version() {
		return a, fmt.Errorf("%s has version %s in its metadata", describe(a), strconv.FormatInt(seen.Version, 10))
	}
	return a, f.compare(a, body)
}

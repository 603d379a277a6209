package devcluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// TestCephDisk: the pools show uploads while they are open. Of a part that was sent twice Ceph
// keeps the first copy for ever, whether the upload is completed or aborted: nothing refers to
// that, and no S3 request removes it.
func TestCephDisk(t *testing.T) {
	needsTools(t)
	d := startDisk(t, StoreCeph)
	if dirs := d.uploads(t); len(dirs) > 0 {
		t.Errorf("before the first upload there are %+v", dirs)
	}
	completed, aborted, open := d.openThree(t)
	dirs := d.uploads(t)
	if len(dirs) != 3 || dirs[2].Key != "a/open ü.bin" || dirs[2].ID != open || len(dirs[2].Parts) != 1 || dirs[2].Parts[0].Number != 7 {
		t.Errorf("there are %+v", dirs)
	}
	parts, err := d.core.ListObjectParts(t.Context(), diskBucket, "a/completed.bin", completed, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.core.CompleteMultipartUpload(t.Context(), diskBucket, "a/completed.bin", completed,
		[]minio.CompletePart{{PartNumber: 1, ETag: parts.ObjectParts[0].ETag}}, minio.PutObjectOptions{})
	if err := errors.Join(err, d.core.AbortMultipartUpload(t.Context(), diskBucket, "a/aborted.bin", aborted)); err != nil {
		t.Fatal(err)
	}
	if dirs := d.uploads(t); len(dirs) != 1 || dirs[0].ID != open {
		t.Errorf("after the ends there are %+v", dirs)
	}
	if err := d.core.RemoveObject(t.Context(), diskBucket, "a/completed.bin", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	// What was deleted goes within some tens of seconds, and the first copies stay.
	var left []TempFile
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		if left, err = d.TempFiles(t.Context(), diskBucket); err != nil {
			t.Fatal(err)
		}
		if len(left) == 4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing refers to %+v", left)
		}
	}
	var sum int64
	for _, f := range left {
		sum += f.Size
		if !strings.Contains(f.Path, completed) && !strings.Contains(f.Path, aborted) {
			t.Errorf("nothing refers to %s", f.Path)
		}
	}
	if sum != 2*diskPart {
		t.Errorf("nothing refers to %d bytes of %+v", sum, left)
	}
}

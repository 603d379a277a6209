package devcluster

import (
	"errors"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// TestSeaweedFSDisk: the filer shows uploads while they are open, with each copy of a part that was
// sent again, and nothing that was aborted, completed or deleted stays on the volumes.
func TestSeaweedFSDisk(t *testing.T) {
	needsTools(t)
	needsBuilt(t, SeaweedFS)
	d := startDisk(t, StoreSeaweedFS)
	if dirs := d.uploads(t); len(dirs) > 0 {
		t.Errorf("before the first upload there are %+v", dirs)
	}
	completed, aborted, open := d.openThree(t)
	if dirs := d.uploads(t); len(dirs) != 3 || dirs[0].Key != "a/aborted.bin" || len(dirs[0].Parts) != 2 || dirs[0].Bytes() != 2*diskPart ||
		dirs[2].Key != "a/open ü.bin" || dirs[2].ID != open || len(dirs[2].Parts) != 1 || dirs[2].Parts[0].Number != 7 {
		t.Errorf("there are %+v", dirs)
	}
	if left, err := d.TempFiles(t.Context(), diskBucket); err != nil || len(left) > 0 {
		t.Errorf("while uploads are open, nothing refers to %+v, %v", left, err)
	}
	parts, err := d.core.ListObjectParts(t.Context(), diskBucket, "a/completed.bin", completed, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	last := parts.ObjectParts[len(parts.ObjectParts)-1]
	_, err = d.core.CompleteMultipartUpload(t.Context(), diskBucket, "a/completed.bin", completed,
		[]minio.CompletePart{{PartNumber: 1, ETag: last.ETag}}, minio.PutObjectOptions{})
	if err := errors.Join(err, d.core.AbortMultipartUpload(t.Context(), diskBucket, "a/aborted.bin", aborted)); err != nil {
		t.Fatal(err)
	}
	if dirs := d.uploads(t); len(dirs) != 1 || dirs[0].ID != open {
		t.Errorf("after the ends there are %+v", dirs)
	}
	if err := d.core.RemoveObject(t.Context(), diskBucket, "a/completed.bin", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		left, err := d.TempFiles(t.Context(), diskBucket)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing refers to %+v", left)
		}
	}
}

// needsBuilt leaves a test out where a tool would have to be built first.
func needsBuilt(t *testing.T, tool Tool) {
	t.Helper()
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	build, err := newToolBuild(root, cache, tool, toolSources[tool])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := executable(build.path()); err != nil {
		t.Skipf("NOT TESTED: %s is not here, and takes %s to build: bin/devcluster tools %s", tool, toolSources[tool].cost, tool)
	}
}

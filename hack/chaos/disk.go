package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// probeDir has the objects of probes.
const probeDir = ".iotfile-probe/"

// compareDisk looks at the store with its own eyes: each directory of an upload on its disk has an
// open record, whether or not a listing has the upload. What landed after the end of its upload may
// stay until the operator aborts that again, a minute later.
func (w *world) compareDisk(ctx context.Context) error {
	began, first := time.Now(), -1
	var size, temp int64
	err := w.until(ctx, quiesceTimeout, func() (err error) {
		if w.onlyOnDisk, err = w.orphans(ctx); err != nil {
			return err
		}
		if first < 0 {
			first = len(w.onlyOnDisk)
			for _, d := range w.onlyOnDisk {
				size += d.Bytes()
				w.report.say("no open record owns %s", describeUpload(d))
			}
		}
		if len(w.onlyOnDisk) > 0 {
			return errOrphans
		}
		return nil
	})
	took := time.Since(began).Round(time.Second)
	if err != nil && !errors.Is(err, errOrphans) {
		return err
	}
	for _, d := range w.onlyOnDisk {
		w.violated(w.files.at(d.Key), "no open record owns, on the store's disk, %s", describeUpload(d))
	}
	temporary, err := w.store.TempFiles(ctx, bucket)
	for _, f := range temporary {
		temp += f.Size
	}
	w.onDisk = fmt.Sprintf("uploads without an owner: %d (%.1f MiB) when all was healed, %d after %s; temporary files, which are the store's own: %d (%.1f MiB)",
		first, mebibytes(size), len(w.onlyOnDisk), took, len(temporary), mebibytes(temp))
	w.report.say("on the store's disk, %s", w.onDisk)
	return err
}

// errOrphans is how compareDisk goes on to look.
var errOrphans = errors.New("uploads without an owner")

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// orphans are the directories of uploads that no open record owns. That of a probe of the
// store has another owner: the object by which a later probe finds what is left of one that died.
func (w *world) orphans(ctx context.Context) ([]devcluster.UploadDir, error) {
	var keys []string
	for _, f := range w.files.all() {
		keys = append(keys, f.key())
	}
	probes := map[string]bool{}
	for object := range w.s3.Client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, Prefix: probeDir}) {
		if object.Err != nil {
			return nil, object.Err
		}
		probes[object.Key] = true
		keys = append(keys, s3.ProbeKeys(object.Key)...) // where directories are named by a hash of the key
	}
	// The disk first: a record is there before its upload.
	dirs, err := w.store.UploadDirs(ctx, bucket, keys...)
	if err != nil {
		return nil, err
	}
	records, err := w.records(ctx)
	if err != nil {
		return nil, err
	}
	owned := map[string]bool{}
	for i := range records {
		if u := &records[i]; !upload.Ended(u) {
			owned[u.Status.UploadID] = true
		}
	}
	var out []devcluster.UploadDir
	for _, d := range dirs {
		probe, _, _ := strings.Cut(strings.TrimPrefix(d.Key, probeDir), "-") // what follows are further keys that it tries
		if !owned[d.ID] && !probes[probeDir+probe] {
			out = append(out, d)
		}
	}
	return out, nil
}

// describeUpload says which directory of an upload it is.
func describeUpload(d devcluster.UploadDir) string {
	var b strings.Builder
	fmt.Fprintf(&b, "upload %s of %q, written %s ago: %d bytes in parts", d.ID, d.Key, time.Since(d.Modified).Round(time.Second), d.Bytes())
	for _, p := range d.Parts {
		fmt.Fprintf(&b, " %d", p.Number)
	}
	if d.Assembling {
		b.WriteString(", being assembled")
	}
	return b.String()
}

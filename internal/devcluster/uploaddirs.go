package devcluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// UploadDir is what a store keeps on its disk of one multipart upload, whether or not a listing
// has it.
type UploadDir struct {
	// ID is the upload id, as S3 clients know it.
	ID string
	// Key is empty where the directory does not tell it and it is none of those asked about.
	Key string
	// Parts are those that have landed, ordered by number.
	Parts []PartFile
	// Modified is when the directory or one of its parts was last written.
	Modified time.Time
	// Assembling is set while versitygw completes the upload, and stays for ever when it is killed
	// in the middle of that: no listing has the upload then, and no abort ends it.
	Assembling bool
}

// PartFile is the file of one part. Its size is that on disk: MinIO adds 32 bytes to each MiB.
type PartFile struct {
	Number   int
	Size     int64
	Modified time.Time
}

// Bytes is the sum of the parts' sizes.
func (d *UploadDir) Bytes() int64 {
	var sum int64
	for _, p := range d.Parts {
		sum += p.Size
	}
	return sum
}

// TempFile is a file to which a store writes, or wrote, a body that it has not taken. Path is the
// name that the store knows it by; Modified is zero where the store does not tell.
type TempFile struct {
	Path     string
	Size     int64
	Modified time.Time
}

// diskReader is how the store's own keeping is read of a kind of store.
type diskReader struct {
	uploads func(s *ObjectStore, ctx context.Context, bucket string, keys []string) ([]UploadDir, error)
	temp    func(s *ObjectStore, ctx context.Context, bucket string) ([]TempFile, error)
}

var diskReaders = map[StoreKind]diskReader{
	StoreVersityGW: {uploads: (*ObjectStore).versityGWUploads, temp: (*ObjectStore).versityGWTempFiles},
	StoreMinIO:     {uploads: (*ObjectStore).minIOUploads, temp: (*ObjectStore).minIOTempFiles},
	StoreCeph:      {uploads: (*ObjectStore).cephUploads, temp: (*ObjectStore).cephTempFiles},
	StoreSeaweedFS: {uploads: (*ObjectStore).seaweedFSUploads, temp: (*ObjectStore).seaweedFSTempFiles},
}

// DiskKinds returns the kinds of stores whose own keeping UploadDirs and TempFiles can read,
// sorted.
func DiskKinds() []StoreKind { return slices.Sorted(maps.Keys(diskReaders)) }

func (s *ObjectStore) diskReader() (diskReader, error) {
	reader, ok := diskReaders[s.Kind]
	if !ok {
		return reader, fmt.Errorf("what %s keeps cannot be read past S3; that of %v can", s.Kind, DiskKinds())
	}
	return reader, nil
}

// UploadDirs reads from the store's disk which multipart uploads it holds bytes of, ordered by key
// and id. It sees what no S3 request shows: versitygw lists a key only while it has a mark, which
// an abort takes away, and MinIO lists one key at a time. Their directories are named by a hash of
// the key, so keys are those that the caller knows of. MinIO's do not tell their bucket: the
// uploads of all buckets are returned. Those two may be running or stopped. Of Ceph the pools are
// listed, of SeaweedFS the filer: they have to run. Ceph does not tell the sizes of parts, and
// SeaweedFS has each copy of a part that was sent again.
func (s *ObjectStore) UploadDirs(ctx context.Context, bucket string, keys ...string) ([]UploadDir, error) {
	reader, err := s.diskReader()
	if err != nil {
		return nil, err
	}
	dirs, err := reader.uploads(s, ctx, bucket, keys)
	slices.SortFunc(dirs, func(a, b UploadDir) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	})
	return dirs, err
}

// TempFiles are the files of bodies that the store has not taken: in flight, cut, or left by a
// store that was killed. Of Ceph and SeaweedFS, which have to run, they are what the pool of data
// or the volumes hold and nothing refers to; SeaweedFS tells the size of all together, which is
// that of the first. Nobody can name them over S3.
func (s *ObjectStore) TempFiles(ctx context.Context, bucket string) ([]TempFile, error) {
	reader, err := s.diskReader()
	if err != nil {
		return nil, err
	}
	return reader.temp(s, ctx, bucket)
}

// readDir reads a directory. One that is not there is empty, since a store removes it at any time.
func readDir(path string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return entries, err
}

// walkFiles calls found for each file below root, and skips what is removed meanwhile.
func walkFiles(root string, found func(path string, info fs.FileInfo)) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			found(path, info)
		}
		return err
	})
}

// readUpload adds the parts that lie below path. number takes the part's number from the name of
// its file; other files are none.
func (d *UploadDir) readUpload(path string, number func(name string) (string, bool)) error {
	if info, err := os.Stat(path); err == nil {
		d.Modified = info.ModTime()
	}
	err := walkFiles(path, func(path string, info fs.FileInfo) {
		text, ok := number(filepath.Base(path))
		n, err := strconv.Atoi(text)
		if !ok || err != nil {
			return
		}
		d.Parts = append(d.Parts, PartFile{Number: n, Size: info.Size(), Modified: info.ModTime()})
		if info.ModTime().After(d.Modified) {
			d.Modified = info.ModTime()
		}
	})
	slices.SortFunc(d.Parts, func(a, b PartFile) int { return cmp.Compare(a.Number, b.Number) })
	return err
}

// hashesOf gives the keys by the names of their directories: SHA-256, after a prefix.
func hashesOf(prefix string, keys []string) map[string]string {
	out := make(map[string]string, len(keys))
	for _, key := range keys {
		sum := sha256.Sum256([]byte(prefix + key))
		out[hex.EncodeToString(sum[:])] = key
	}
	return out
}

package devcluster

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// How versitygw's posix backend keeps uploads, all of it below the directory of the bucket:
//
//	.sgwtmp/multipart/SHA256-OF-KEY/             has the attribute "objname", the key, until an abort
//	                                             takes the key's last upload away
//	.sgwtmp/multipart/SHA256-OF-KEY/ID/NUMBER    a part
//	.sgwtmp/multipart/SHA256-OF-KEY/ID.ETAG.inprogress/   while the upload is being completed
//
// A body in flight is a file without a name, which nothing is left of. Where the file system has
// none of those, it lies in .sgwtmp, or in SHA256-OF-KEY if it is of a part.
const (
	versityTemp       = ".sgwtmp"
	versityMultipart  = "multipart"
	versityAssembling = ".inprogress"
	versityKey        = "objname"
)

func (s *ObjectStore) versityGWUploads(_ context.Context, bucket string, keys []string) ([]UploadDir, error) {
	root := filepath.Join(s.dir, "buckets", bucket, versityTemp, versityMultipart)
	known := hashesOf("", keys)
	hashes, err := readDir(root)
	if err != nil {
		return nil, err
	}
	var out []UploadDir
	for _, hash := range hashes {
		key, ok := known[hash.Name()]
		if !ok {
			key = s.versityGWKey(bucket, hash.Name())
		}
		uploads, err := readDir(filepath.Join(root, hash.Name()))
		if err != nil {
			return nil, err
		}
		for _, u := range uploads {
			if !u.IsDir() {
				continue
			}
			d := UploadDir{Key: key}
			d.ID, _, d.Assembling = strings.Cut(u.Name(), ".") // an id is a UUID
			if err := d.readUpload(filepath.Join(root, hash.Name(), u.Name()), func(name string) (string, bool) { return name, true }); err != nil {
				return nil, err
			}
			out = append(out, d)
		}
	}
	return out, nil
}

// versityGWKey reads the mark that tells the key of a directory; "" if it is gone.
func (s *ObjectStore) versityGWKey(bucket, hash string) string {
	dir := filepath.Join(bucket, versityTemp, versityMultipart, hash)
	value := make([]byte, 1025)
	if n, err := unix.Getxattr(filepath.Join(s.dir, "buckets", dir), "user."+versityKey, value); err == nil {
		return string(value[:n])
	}
	if data, err := os.ReadFile(filepath.Join(s.dir, "sidecar", dir, "meta", versityKey)); err == nil {
		return string(data)
	}
	return ""
}

func (s *ObjectStore) versityGWTempFiles(_ context.Context, bucket string) ([]TempFile, error) {
	var out []TempFile
	root := filepath.Join(s.dir, "buckets", bucket, versityTemp)
	err := walkFiles(root, func(path string, info fs.FileInfo) {
		if _, err := strconv.Atoi(info.Name()); err != nil { // not a part
			out = append(out, TempFile{Path: path, Size: info.Size(), Modified: info.ModTime()})
		}
	})
	return out, err
}

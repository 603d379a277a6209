package devcluster

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// StartVersityGW starts versitygw on a directory below opts.Dir, in which every bucket is a
// directory and every object a file, and returns when it is ready. It returns *AlreadyRunningError
// when opts.Dir is in use. Stop must be called; ctx bounds the start only.
func StartVersityGW(ctx context.Context, opts ObjectStoreOptions) (*ObjectStore, error) {
	return StartObjectStore(ctx, StoreVersityGW, opts)
}

// versityGW completes the spec of a versitygw process.
func (s *ObjectStore) versityGW(spec *processSpec, ports []int) error {
	buckets := filepath.Join(s.dir, "buckets")
	if err := os.MkdirAll(buckets, 0o700); err != nil {
		return err
	}
	spec.env = []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}
	spec.args = []string{
		"--port=" + address(ports[0]),
		"--region=" + s.Region,
		// Off by default: then every request would cost a connection.
		"--keep-alive",
		"--quiet",
		"posix",
	}
	if !hasUserXattrs(buckets) {
		// Metadata then lies in files of its own.
		sidecar := filepath.Join(s.dir, "sidecar")
		if err := os.MkdirAll(sidecar, 0o700); err != nil {
			return err
		}
		spec.args = append(spec.args, "--sidecar="+sidecar)
	}
	spec.args = append(spec.args, buckets)
	return nil
}

// hasUserXattrs reports whether files in dir can have extended attributes, in which versitygw keeps
// metadata.
func hasUserXattrs(dir string) bool {
	file, err := os.CreateTemp(dir, ".xattr-*")
	if err != nil {
		return false
	}
	defer func() { _ = os.Remove(file.Name()) }()
	defer func() { _ = file.Close() }()
	return unix.Setxattr(file.Name(), "user.devcluster", []byte("1"), 0) == nil
}

package devcluster

import (
	"os"
	"path/filepath"
)

// rclone completes the spec of a process of `rclone serve s3`, in which every bucket is a directory
// below the store's. It keeps open uploads in memory.
func (s *ObjectStore) rclone(spec *processSpec, ports []int) error {
	buckets := filepath.Join(s.dir, "buckets")
	if err := os.MkdirAll(buckets, 0o700); err != nil {
		return err
	}
	spec.args = []string{
		"serve", "s3", "--addr=" + address(ports[0]), "--auth-key=" + s.AccessKey + "," + s.SecretKey,
		"--config=" + filepath.Join(s.dir, "none.conf"), "--cache-dir=" + filepath.Join(s.dir, "cache"), buckets,
	}
	return nil
}

package devcluster

import (
	"context"
	"os"
	"path/filepath"
)

// StartMinIO starts MinIO on a directory below opts.Dir and returns when it is ready. It returns
// *AlreadyRunningError when opts.Dir is in use. Stop must be called; ctx bounds the start only.
func StartMinIO(ctx context.Context, opts ObjectStoreOptions) (*ObjectStore, error) {
	return StartObjectStore(ctx, StoreMinIO, opts)
}

// minIO completes the spec of a MinIO process.
func (s *ObjectStore) minIO(spec *processSpec, ports []int) error {
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	spec.env = []string{
		"MINIO_ROOT_USER=" + s.AccessKey,
		"MINIO_ROOT_PASSWORD=" + s.SecretKey,
		"MINIO_REGION=" + s.Region,
		// Uploads otherwise die 24 hours after they were opened, earlier than the operator expires
		// them.
		"MINIO_API_STALE_UPLOADS_EXPIRY=72h",
		// No console, and no calls to anywhere.
		"MINIO_BROWSER=off",
		"MINIO_UPDATE=off",
		"MINIO_CALLHOME_ENABLE=off",
	}
	spec.args = []string{"server", "--quiet", "--address=" + address(ports[0]), "--config-dir=" + filepath.Join(s.dir, "config"), data}
	return nil
}

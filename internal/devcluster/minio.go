package devcluster

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
)

// StartMinIO starts MinIO on a directory below opts.Dir and returns when it is ready. It returns
// *AlreadyRunningError when opts.Dir is in use. Stop must be called; ctx bounds the start only.
func StartMinIO(ctx context.Context, opts ObjectStoreOptions) (*ObjectStore, error) {
	return StartObjectStore(ctx, StoreMinIO, opts)
}

// MinIOKey is the name of the key that MinIO encrypts with, where a bucket asks for that.
const MinIOKey = "devcluster"

// encryptionKey is the key of that name, the same at each start.
func (s *ObjectStore) encryptionKey() string {
	sum := sha256.Sum256([]byte(s.SecretKey))
	return base64.StdEncoding.EncodeToString(sum[:])
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
		// A key to encrypt with, for buckets that are set up so.
		"MINIO_KMS_SECRET_KEY=" + MinIOKey + ":" + s.encryptionKey(),
		"MINIO_CALLHOME_ENABLE=off",
	}
	spec.args = []string{"server", "--quiet", "--address=" + address(ports[0]), "--config-dir=" + filepath.Join(s.dir, "config"), data}
	return nil
}

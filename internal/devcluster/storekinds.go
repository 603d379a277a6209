package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// StoreKind is which object store server is run.
type StoreKind string

const (
	// StoreVersityGW is versitygw on a directory: small, and what `make run` uses.
	StoreVersityGW StoreKind = "versitygw"
	// StoreMinIO is MinIO: a second implementation to test against.
	StoreMinIO StoreKind = "minio"
	// StoreCeph is a Ceph RADOS Gateway with one monitor and one OSD, from Debian's packages.
	StoreCeph StoreKind = "ceph"
	// StoreSeaweedFS is SeaweedFS: a gateway, and the servers behind it in one process.
	StoreSeaweedFS StoreKind = "seaweedfs"
	// StoreRclone is `rclone serve s3` on a directory.
	StoreRclone StoreKind = "rclone"
	// StoreSwift is OpenStack Swift with its S3 API, from Debian's packages.
	StoreSwift StoreKind = "swift"
)

// storeSource is what it takes to run a kind of store.
type storeSource struct {
	// tool is the program that this project builds; empty where Debian has the programs.
	tool Tool
	// programs are looked for on the PATH, the server first. packages are Debian's that bring them.
	programs, packages []string
	// ports is on how many the server listens; the first is that of S3.
	ports int
	// limit is how long a start may take.
	limit time.Duration
	// accessKey is the name of the administrator where it cannot be any.
	accessKey string
	// before starts what the server needs, as helpers; nil for nothing.
	before func(s *ObjectStore, ctx context.Context) error
	// complete fills in how the server is run on these ports.
	complete func(s *ObjectStore, spec *processSpec, ports []int) error
	// writable is asked, beside a listing of buckets, until the server is ready; nil where one that
	// answers can also write.
	writable func(ctx context.Context, client *minio.Client) error
}

var storeSources = map[StoreKind]storeSource{
	StoreVersityGW: {tool: VersityGW, ports: 1, limit: time.Minute, complete: (*ObjectStore).versityGW},
	StoreMinIO:     {tool: MinIO, ports: 1, limit: time.Minute, complete: (*ObjectStore).minIO},
	StoreCeph: {
		programs: []string{"radosgw", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin"}, packages: []string{"radosgw", "ceph-mon", "ceph-osd"},
		ports: 1, limit: 3 * time.Minute, before: (*ObjectStore).startRADOS, complete: (*ObjectStore).radosGateway,
	},
	StoreSeaweedFS: {
		tool: SeaweedFS, ports: seaweedPorts, limit: 2 * time.Minute, before: (*ObjectStore).startSeaweedFS, complete: (*ObjectStore).seaweedFS, writable: writes,
	},
	StoreRclone: {tool: Rclone, ports: 1, limit: time.Minute, complete: (*ObjectStore).rclone},
	StoreSwift: {
		programs: []string{"swift-proxy-server", "swift-object-server", "swift-container-server", "swift-account-server", "memcached"},
		packages: []string{"swift-proxy", "swift-object", "swift-container", "swift-account", "memcached"},
		ports:    1, limit: 2 * time.Minute, accessKey: swiftUser, before: (*ObjectStore).startSwift, complete: (*ObjectStore).swiftProxy, writable: writes,
	},
}

// StoreKinds returns every kind, sorted.
func StoreKinds() []StoreKind { return slices.Sorted(maps.Keys(storeSources)) }

// MissingProgramsError says that a kind of store needs programs of Debian's that are not on this
// machine.
type MissingProgramsError struct {
	// Kind is the kind of store.
	Kind StoreKind
	// Programs are not on the PATH.
	Programs []string
	// Packages are Debian's that bring them.
	Packages []string
}

// Error implements error.
func (e *MissingProgramsError) Error() string {
	return fmt.Sprintf("%s needs %s: apt-get install --no-install-recommends %s",
		e.Kind, strings.Join(e.Programs, ", "), strings.Join(e.Packages, " "))
}

// FindStore gets the program that serves a kind of store, and returns its path. Where this project
// builds it, that takes minutes the first time and is reported to log; see FindTools. It returns
// *MissingProgramsError where Debian's packages are needed and are not installed.
func FindStore(ctx context.Context, log io.Writer, kind StoreKind) (string, error) {
	source, ok := storeSources[kind]
	switch {
	case !ok:
		return "", fmt.Errorf("no object store %q; there are %v", kind, StoreKinds())
	case source.tool != "":
		return FindTool(ctx, log, source.tool)
	}
	var missing []string
	for _, program := range source.programs {
		if _, err := exec.LookPath(program); errors.Is(err, exec.ErrNotFound) {
			missing = append(missing, program)
		} else if err != nil {
			return "", err
		}
	}
	if len(missing) > 0 {
		return "", &MissingProgramsError{Kind: kind, Programs: missing, Packages: source.packages}
	}
	return exec.LookPath(source.programs[0])
}

// writes fails while nothing can be stored. Where the S3 API and the disks belong to different
// servers, that is so for some seconds after the first has begun to answer.
func writes(ctx context.Context, client *minio.Client) error {
	const bucket = "devcluster-started"
	if err := client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
		if exists, existsErr := client.BucketExists(ctx, bucket); existsErr != nil || !exists {
			return err
		}
	}
	_, err := client.PutObject(ctx, bucket, "started", strings.NewReader("x"), 1, minio.PutObjectOptions{DisableContentSha256: true})
	return err
}

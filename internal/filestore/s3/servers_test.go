package s3_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore/s3"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

const bucket = "conformance"

// kinds are the real servers that everything is tested against.
var kinds = []devcluster.StoreKind{devcluster.StoreVersityGW, devcluster.StoreMinIO}

// conformanceKinds are those that the suite and the races run against: in IOTFILE_TEST_STORES,
// separated by commas; else what every machine can build, and Ceph where Debian's packages are
// there.
func conformanceKinds() []devcluster.StoreKind {
	names := os.Getenv("IOTFILE_TEST_STORES")
	if names == "" {
		return append(slices.Clone(kinds), devcluster.StoreCeph)
	}
	var wanted []devcluster.StoreKind
	for name := range strings.SplitSeq(names, ",") {
		wanted = append(wanted, devcluster.StoreKind(name))
	}
	return wanted
}

var (
	serversMu sync.Mutex
	servers   = map[devcluster.StoreKind]*devcluster.ObjectStore{}
	serverDir string
)

// TestMain ends the servers that tests have started.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range servers {
		_ = s.Stop()
	}
	if serverDir != "" {
		_ = os.RemoveAll(serverDir)
	}
	os.Exit(testkit.CheckLeaks(code))
}

// server starts a server once for all tests. The first time on a machine it is built, which takes
// minutes.
func server(t testing.TB, kind devcluster.StoreKind) *devcluster.ObjectStore {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an object store")
	}
	serversMu.Lock()
	defer serversMu.Unlock()
	if s := servers[kind]; s != nil {
		return s
	}
	var missing *devcluster.MissingProgramsError
	if _, err := devcluster.FindStore(t.Context(), t.Output(), kind); errors.As(err, &missing) {
		t.Skipf("NOT TESTED: %v", missing)
	}
	if serverDir == "" {
		dir, err := os.MkdirTemp("", "iotfile-s3-test-") //nolint:usetesting // outlives the test that comes first
		if err != nil {
			t.Fatal(err)
		}
		serverDir = dir
	}
	s, err := devcluster.StartObjectStore(t.Context(), kind, devcluster.ObjectStoreOptions{Dir: filepath.Join(serverDir, string(kind)), Log: t.Output()})
	if err != nil {
		t.Fatalf("starting %s: %v", kind, err)
	}
	servers[kind] = s
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.CreateBucket(ctx, bucket); err != nil {
		t.Fatal(err)
	}
	return s
}

// config is how a server is reached.
func config(s *devcluster.ObjectStore, mode v1alpha1.PayloadMode) filestore.Config {
	return filestore.Config{
		Name: string(s.Kind), Endpoint: s.Endpoint, Region: s.Region, Bucket: bucket, Prefix: "probes/", AddressingStyle: v1alpha1.AddressingPath,
		Credentials: &filestore.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey}, PayloadMode: mode,
	}
}

// connect makes a Store that is closed after the test.
func connect(t testing.TB, c filestore.Config) filestore.Store {
	t.Helper()
	store, err := s3.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func hostOf(t testing.TB, endpoint string) string {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

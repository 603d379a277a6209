package devcluster

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
)

// needsTools leaves a test out that starts a server or a build.
func needsTools(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs tools")
	}
}

func TestObjectStoreKeepsDataOverRestarts(t *testing.T) {
	needsTools(t)
	kinds := []StoreKind{StoreVersityGW, StoreMinIO, StoreCeph}
	if os.Getenv("IOTFILE_TEST_STORES") != "" { // those that take minutes to build, too
		kinds = StoreKinds()
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var missing *MissingProgramsError
			if _, err := FindStore(t.Context(), t.Output(), kind); errors.As(err, &missing) {
				t.Skip(err)
			}
			ctx, dir := t.Context(), t.TempDir()
			store, err := StartObjectStore(ctx, kind, ObjectStoreOptions{Dir: dir, Log: t.Output()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Stop() })
			for range 2 { // idempotent
				if err := store.CreateBucket(ctx, "iotfile"); err != nil {
					t.Fatal(err)
				}
			}
			content := bytes.Repeat([]byte("0123456789abcdef"), 4096)
			client, err := store.client(store.Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.PutObject(ctx, "iotfile", "a/b", bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{DisableContentSha256: true}); err != nil {
				t.Fatal(err)
			}

			first, pid := *store, store.process.pid()
			if err := store.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			if store.Endpoint != first.Endpoint || store.process.pid() == pid {
				t.Errorf("after Restart: endpoint %s, pid %d; before: %s, %d", store.Endpoint, store.process.pid(), first.Endpoint, pid)
			}
			wantObject(t, store, content)

			if err := store.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := store.Stop(); err != nil {
				t.Errorf("second Stop: %v", err)
			}
			if processExists(store.process.pid()) {
				t.Errorf("pid %d outlives Stop", store.process.pid())
			}
			releasePorts(store.ports)

			again, err := StartObjectStore(ctx, kind, ObjectStoreOptions{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = again.Stop() })
			if again.Endpoint != first.Endpoint || again.AccessKey != first.AccessKey || again.SecretKey != first.SecretKey {
				t.Errorf("a start on the same directory: endpoint %s, was %s; credentials kept: %t",
					again.Endpoint, first.Endpoint, again.SecretKey == first.SecretKey)
			}
			wantObject(t, again, content)
		})
	}
}

func wantObject(t *testing.T, store *ObjectStore, want []byte) {
	t.Helper()
	client, err := store.client(store.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	object, err := client.GetObject(t.Context(), "iotfile", "a/b", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	if got, err := io.ReadAll(object); err != nil || !bytes.Equal(got, want) {
		t.Errorf("object: %d bytes, %v; want %d bytes", len(got), err, len(want))
	}
}

func TestObjectStoreReportsWhyItDoesNotStart(t *testing.T) {
	needsTools(t)
	taken, err := choosePort(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.release()
	_, err = StartVersityGW(t.Context(), ObjectStoreOptions{Dir: t.TempDir(), Port: taken.number})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("on a port that is taken: %v", err)
	}

	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, "credentials.json"), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := StartVersityGW(t.Context(), ObjectStoreOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "credentials.json") {
		t.Errorf("with damaged credentials: %v", err)
	}
}

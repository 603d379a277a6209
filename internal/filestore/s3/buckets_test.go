package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/sse"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// ownedBuckets are kinds of buckets that platform teams have, and the servers that offer them.
var ownedBuckets = []struct {
	name  string
	kinds []devcluster.StoreKind
	make  func(ctx context.Context, c *minio.Client, bucket string) error
	// kept: what is stored is under a retention, so what the probe has stored stays.
	kept bool
}{
	{"versioned", []devcluster.StoreKind{devcluster.StoreMinIO, devcluster.StoreCeph}, makeVersioned, false},
	{"locked", []devcluster.StoreKind{devcluster.StoreMinIO, devcluster.StoreCeph}, makeLocked, true},
	{"encrypted", []devcluster.StoreKind{devcluster.StoreMinIO}, makeEncrypted, false},
}

func makeVersioned(ctx context.Context, c *minio.Client, bucket string) error {
	return errors.Join(c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}), c.EnableVersioning(ctx, bucket))
}

func makeLocked(ctx context.Context, c *minio.Client, bucket string) error {
	mode, days, unit := minio.Governance, uint(1), minio.Days
	return errors.Join(c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{ObjectLocking: true}), c.SetBucketObjectLockConfig(ctx, bucket, &mode, &days, &unit))
}

func makeEncrypted(ctx context.Context, c *minio.Client, bucket string) error {
	return errors.Join(c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}), c.SetBucketEncryption(ctx, bucket, sse.NewConfigurationSSEKMS(devcluster.MinIOKey)))
}

// administrator is a client with all rights on a server.
func administrator(t *testing.T, s *devcluster.ObjectStore) *minio.Client {
	t.Helper()
	c, err := minio.New(hostOf(t, s.Endpoint), &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// versionsIn counts the versions of objects below a prefix, and the marks of deletions.
func versionsIn(t *testing.T, c *minio.Client, bucket, prefix string) (n int) {
	t.Helper()
	for v := range c.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: true}) {
		if v.Err != nil {
			t.Fatal(v.Err)
		}
		n++
	}
	return n
}

// TestOwnedBuckets: a bucket that keeps versions, locks or encrypts them takes files as any, and
// the probe leaves no version behind that it could delete.
func TestOwnedBuckets(t *testing.T) {
	for _, owned := range ownedBuckets {
		for _, kind := range owned.kinds {
			t.Run(owned.name+"/"+string(kind), func(t *testing.T) {
				s := server(t, kind)
				admin := administrator(t, s)
				bucket := "owned-" + owned.name
				if err := owned.make(t.Context(), admin, bucket); err != nil {
					t.Fatal(err)
				}
				c := config(s, "")
				c.Bucket = bucket
				if _, err := connect(t, c).Claim(t.Context(), "me"); err != nil {
					t.Fatal(err)
				}
				caps, err := connect(t, c).Probe(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				left := versionsIn(t, admin, bucket, c.Prefix+".iotfile-probe/")
				t.Logf("%s: %s; the probe leaves %d versions", caps.PayloadMode, filestore.ProtectionOf(&caps).Reason, left)
				if (left > 0) != owned.kept {
					t.Errorf("the probe leaves %d versions", left)
				}
				c.PayloadMode = caps.PayloadMode
				lifeOfAFile(t, connect(t, c), c.Prefix+"file")
			})
		}
	}
}

// lifeOfAFile stores a file, replaces it in parts, reads and deletes it.
func lifeOfAFile(t *testing.T, store filestore.Store, key string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, err := store.PutObject(ctx, key, strings.NewReader("first"), 5, filestore.CreateUploadOptions{}, filestore.Condition{})
	must(err)
	id, err := store.CreateUpload(ctx, key, filestore.CreateUploadOptions{Metadata: map[string]string{"who": "me"}})
	must(err)
	ref := filestore.UploadRef{Key: key, UploadID: id}
	content := append(bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16), "the end"...)
	for n, part := range [][]byte{content[:5<<20], content[5<<20:]} {
		_, err := store.PutPart(ctx, ref, int32(n+1), bytes.NewReader(part), int64(len(part)))
		must(err)
	}
	parts, err := store.ListParts(ctx, ref)
	must(err)
	_, err = store.CompleteUpload(ctx, ref, parts, filestore.Condition{})
	must(err)
	object, err := store.Stat(ctx, key)
	must(err)
	if object.Size != int64(len(content)) || object.Metadata["who"] != "me" || object.ETag == first.ETag {
		t.Errorf("the file is %+v", object)
	}
	body, err := store.Open(ctx, object, filestore.ByteRange{Length: object.Size})
	must(err)
	read, err := io.ReadAll(body)
	must(errors.Join(err, body.Close()))
	if !bytes.Equal(read, content) {
		t.Errorf("it has other %d bytes", len(read))
	}
	must(store.DeleteObject(ctx, key))
	if _, err := store.Stat(ctx, key); !errors.Is(err, filestore.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	}
}

// TestWritingIsNotAllowed: keys that may read and not write are no damage on the way, in signed
// chunks either.
func TestWritingIsNotAllowed(t *testing.T) {
	s := server(t, devcluster.StoreVersityGW)
	admin := administrator(t, s)
	bucket := "locked-without-versions"
	if err := makeLocked(t.Context(), admin, bucket); err != nil {
		t.Fatal(err)
	}
	c := config(s, "")
	c.Bucket = bucket
	if _, err := connect(t, c).Probe(t.Context()); !errors.Is(err, filestore.ErrAccessDenied) || !strings.Contains(err.Error(), "object lock") {
		t.Errorf("the probe: %v", err)
	}
}

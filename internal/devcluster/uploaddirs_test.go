package devcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	diskBucket = "iotfile"
	diskPart   = 5 << 20
	// latePart is so large that the store has begun to write it when half of it is sent: no buffer
	// on the way takes that.
	latePart = 64 << 20
)

// disk is a running store of which a test looks at the disk.
type disk struct {
	*ObjectStore
	core *minio.Core
}

func onEachDisk(t *testing.T, test func(t *testing.T, d *disk)) {
	needsTools(t)
	for _, kind := range []StoreKind{StoreVersityGW, StoreMinIO} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, startDisk(t, kind))
		})
	}
}

// startDisk starts a store with a bucket. The test is left out where the store's programs are
// Debian's and are not installed.
func startDisk(t *testing.T, kind StoreKind) *disk {
	t.Helper()
	store, err := StartObjectStore(t.Context(), kind, ObjectStoreOptions{Dir: t.TempDir(), Log: t.Output()})
	var missing *MissingProgramsError
	if errors.As(err, &missing) {
		t.Skip("NOT TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Stop() })
	if err := store.CreateBucket(t.Context(), diskBucket); err != nil {
		t.Fatal(err)
	}
	core, err := minio.NewCore(strings.TrimPrefix(store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: store.Region,
		Transport: &http.Transport{DisableKeepAlives: true}, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &disk{store, core}
}

func (d *disk) open(t *testing.T, key string) string {
	t.Helper()
	id, err := d.core.NewMultipartUpload(t.Context(), diskBucket, key, minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// openThree opens uploads of a/completed.bin and a/aborted.bin, whose part 1 is sent twice with
// other bytes, and of a/open ü.bin, which has part 7.
func (d *disk) openThree(t *testing.T) (completed, aborted, open string) {
	t.Helper()
	completed, aborted, open = d.open(t, "a/completed.bin"), d.open(t, "a/aborted.bin"), d.open(t, "a/open ü.bin")
	for key, id := range map[string]string{"a/completed.bin": completed, "a/aborted.bin": aborted} {
		d.mustPut(t, key, id, 1)
		if err := d.put(t.Context(), key, id, 1, bytes.NewReader(bytes.Repeat([]byte("2"), diskPart)), diskPart); err != nil {
			t.Fatal(err)
		}
	}
	d.mustPut(t, "a/open ü.bin", open, 7)
	return completed, aborted, open
}

func (d *disk) put(ctx context.Context, key, id string, number int, body io.Reader, size int64) error {
	_, err := d.core.PutObjectPart(ctx, diskBucket, key, id, number, body, size, minio.PutObjectPartOptions{DisableContentSha256: true})
	return err
}

func (d *disk) mustPut(t *testing.T, key, id string, number int) {
	t.Helper()
	if err := d.put(t.Context(), key, id, number, bytes.NewReader(make([]byte, diskPart)), diskPart); err != nil {
		t.Fatal(err)
	}
}

// uploads are those of the disk.
func (d *disk) uploads(t *testing.T, keys ...string) []UploadDir {
	t.Helper()
	dirs, err := d.UploadDirs(t.Context(), diskBucket, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// seen are the uploads of the disk, each as "key, name of its id, numbers of its parts".
func (d *disk) seen(t *testing.T, names map[string]string, keys ...string) string {
	t.Helper()
	var out []string
	for _, u := range d.uploads(t, keys...) {
		var numbers []int
		for _, p := range u.Parts {
			numbers = append(numbers, p.Number)
			if p.Size < diskPart || p.Size > diskPart+1024 {
				t.Errorf("part %d has %d bytes on disk", p.Number, p.Size)
			}
		}
		if age := time.Since(u.Modified); age < -time.Second || age > time.Hour {
			t.Errorf("it was modified %s ago", age)
		}
		out = append(out, fmt.Sprintf("%s %s %v", u.Key, names[u.ID], numbers))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// halfway sends half of a part. finish sends the rest and returns the answer.
func (d *disk) halfway(ctx context.Context, t *testing.T, key, id string) (finish func() error) {
	t.Helper()
	const size = latePart
	read, write := io.Pipe()
	answer := make(chan error, 1)
	go func() {
		err := d.put(ctx, key, id, 1, read, size)
		_ = read.CloseWithError(err) // whoever writes is to know
		answer <- err
	}()
	if _, err := write.Write(make([]byte, size/2)); err != nil {
		t.Fatal(err)
	}
	return func() error {
		_, _ = write.Write(make([]byte, size/2))
		_ = write.Close()
		return <-answer
	}
}

// TestUploadDirs: uploads are on the disk with their parts, and not when they are completed or
// aborted.
func TestUploadDirs(t *testing.T) {
	onEachDisk(t, func(t *testing.T, d *disk) {
		one, twin, other := d.open(t, "a/one"), d.open(t, "a/one"), d.open(t, "b/other ü")
		names := map[string]string{one: "one", twin: "twin", other: "other"}
		see := func(when, want string) {
			t.Helper()
			if got := d.seen(t, names, "a/one", "b/other ü"); got != want {
				t.Errorf("%s: there are %q, not %q", when, got, want)
			}
		}
		see("opened", "a/one one [], a/one twin [], b/other ü other []")
		for _, n := range []int{10, 2, 1} {
			d.mustPut(t, "a/one", one, n)
		}
		d.mustPut(t, "b/other ü", other, 1)
		see("with parts", "a/one one [1 2 10], a/one twin [], b/other ü other [1]")
		if err := d.core.AbortMultipartUpload(t.Context(), diskBucket, "a/one", one); err != nil {
			t.Fatal(err)
		}
		see("one aborted", "a/one twin [], b/other ü other [1]")
		parts, err := d.core.ListObjectParts(t.Context(), diskBucket, "b/other ü", other, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.core.CompleteMultipartUpload(t.Context(), diskBucket, "b/other ü", other,
			[]minio.CompletePart{{PartNumber: 1, ETag: parts.ObjectParts[0].ETag}}, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		see("other completed", "a/one twin []")
		if err := d.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		see("restarted", "a/one twin []")
		if err := d.core.AbortMultipartUpload(t.Context(), diskBucket, "a/one", twin); err != nil {
			t.Fatal(err)
		}
		see("all ended", "")
	})
}

// TestUploadDirsLatePart: a part that lands after the abort of its upload. versitygw keeps it,
// where no listing shows it; MinIO refuses it.
func TestUploadDirsLatePart(t *testing.T) {
	onEachDisk(t, func(t *testing.T, d *disk) {
		id := d.open(t, "late")
		finish := d.halfway(t.Context(), t, "late", id)
		if err := d.core.AbortMultipartUpload(t.Context(), diskBucket, "late", id); err != nil {
			t.Fatal(err)
		}
		err := finish()
		listed, listing := d.core.ListMultipartUploads(t.Context(), diskBucket, "late", "", "", "", 1000)
		if listing != nil || len(listed.Uploads) != 0 {
			t.Errorf("listed are %+v, %v", listed.Uploads, listing)
		}
		if d.Kind == StoreMinIO {
			if dirs := d.uploads(t, "late"); err == nil || len(dirs) > 0 {
				t.Errorf("the part is answered with %v, and there are %+v", err, dirs)
			}
			return
		}
		// Known to the caller, and not: the mark of the key is gone.
		for _, key := range []string{"late", ""} {
			dirs := d.uploads(t, key)
			if err != nil || len(dirs) != 1 || dirs[0].ID != id || dirs[0].Key != key || dirs[0].Bytes() != latePart {
				t.Errorf("the part is answered with %v, and there are %+v", err, dirs)
			}
		}
		if err := d.core.AbortMultipartUpload(t.Context(), diskBucket, "late", id); err != nil {
			t.Fatal(err)
		}
		if dirs := d.uploads(t, "late"); len(dirs) > 0 {
			t.Errorf("after the second abort there are %+v", dirs)
		}
	})
}

// TestTempFiles: a body that is cut leaves nothing. One that the store refuses for its digest, or
// that was in flight when it was killed, leaves, where it writes files with names, what it removes
// at its next start.
func TestTempFiles(t *testing.T) {
	onEachDisk(t, func(t *testing.T, d *disk) {
		id := d.open(t, "cut")
		sees := func(when string, some bool) {
			t.Helper()
			var files []TempFile
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
				var err error
				if files, err = d.TempFiles(t.Context(), diskBucket); err != nil {
					t.Fatal(err)
				}
				if (len(files) > 0) == some {
					return
				}
			}
			t.Errorf("%s there are %+v", when, files)
		}
		named := d.Kind == StoreMinIO
		ctx, cut := context.WithCancel(t.Context())
		finish := d.halfway(ctx, t, "cut", id)
		if files, err := d.TempFiles(t.Context(), diskBucket); err == nil && len(files) > 0 && !named {
			t.Skip("this file system has no files without a name, and versitygw removes none of the others")
		}
		sees("in flight", named)
		cut()
		if err := finish(); err == nil {
			t.Error("a part that was cut is acknowledged")
		}
		sees("after the cut", false)
		_, err := d.core.PutObjectPart(t.Context(), diskBucket, "cut", id, 1, strings.NewReader("what"), 4,
			minio.PutObjectPartOptions{Md5Base64: "1B2M2Y8AsgTpgAmY7PhCfg==", DisableContentSha256: true})
		if minio.ToErrorResponse(err).Code != "BadDigest" {
			t.Errorf("a part with another digest is answered with %v", err)
		}
		sees("after the refusal", named)
		finish = d.halfway(t.Context(), t, "cut", id)
		if err := d.process.kill(); err != nil {
			t.Fatal(err)
		}
		if err := finish(); err == nil {
			t.Error("a part is acknowledged by a store that was killed")
		}
		sees("after the kill", named)
		if err := d.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		sees("after the restart", false)
	})
}

// TestUploadDirsAssembling: versitygw that is killed while it assembles a file keeps the parts
// where neither a listing nor an abort finds them, and takes the next completion for a replay.
func TestUploadDirsAssembling(t *testing.T) {
	onEachDisk(t, func(t *testing.T, d *disk) {
		if d.Kind != StoreVersityGW {
			t.Skip("it has no such state")
		}
		assembling := func() bool {
			return slices.ContainsFunc(d.uploads(t), func(u UploadDir) bool { return u.Assembling })
		}
		for try := 0; !assembling(); try++ {
			if try == 10 {
				t.Skip("it was never seen while it assembled a file: this machine is too fast, or too slow")
			}
			key := fmt.Sprint("big", try)
			id := d.open(t, key)
			var parts []minio.CompletePart
			for n := 1; n <= 4; n++ {
				if err := d.put(t.Context(), key, id, n, bytes.NewReader(make([]byte, latePart)), latePart); err != nil {
					t.Fatal(err)
				}
			}
			listed, err := d.core.ListObjectParts(t.Context(), diskBucket, key, id, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range listed.ObjectParts {
				parts = append(parts, minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag})
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = d.core.CompleteMultipartUpload(t.Context(), diskBucket, key, id, parts, minio.PutObjectOptions{})
			}()
			for ended := false; !ended && !assembling(); {
				select {
				case <-done:
					ended = true
				default:
				}
			}
			if err := d.process.kill(); err != nil {
				t.Fatal(err)
			}
			<-done
			if err := d.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !assembling() {
				continue
			}
			_, err = d.core.CompleteMultipartUpload(t.Context(), diskBucket, key, id, parts, minio.PutObjectOptions{})
			_, stat := d.core.StatObject(t.Context(), diskBucket, key, minio.StatObjectOptions{})
			abort := d.core.AbortMultipartUpload(t.Context(), diskBucket, key, id)
			if err != nil || minio.ToErrorResponse(stat).Code != minio.NoSuchKey || minio.ToErrorResponse(abort).Code != minio.NoSuchUpload {
				t.Errorf("versitygw has changed: the next completion is answered with %v, HEAD with %v, the abort with %v", err, stat, abort)
			}
			if dirs := d.uploads(t); dirs[len(dirs)-1].ID != id || dirs[len(dirs)-1].Bytes() != 4*latePart {
				t.Errorf("there are %+v", dirs)
			}
		}
	})
}

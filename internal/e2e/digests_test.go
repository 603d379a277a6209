package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// TestDigests: what a client says of a body is compared before any of it is kept, and the checksum
// of the finished file is the same to everybody: in the record, on download, to an S3 client that
// asks the store itself, and recomputed from the bytes.
func TestDigests(t *testing.T) {
	onEachStore(t, func(t *testing.T, tn *tenant) {
		content := random(2*partSize + 4321)
		pieces := [][]byte{content[:partSize], content[partSize : 2*partSize], content[2*partSize:]}
		f := tn.newFile("verified.bin")
		f.must(t, 201, http.MethodPut, "?upload=start", nil)
		for i, kind := range []string{"Content-Digest sha-256", "Content-MD5"} {
			query, h := fmt.Sprintf("?part=%d", i+1), testkit.Digests(pieces[i])[kind]
			f.must(t, 400, http.MethodPut, query, random(partSize), h[:]...)
			if list := f.parts(t, "fileslist"); len(list) != i {
				t.Fatalf("%s: after a mismatch there are %d parts", kind, len(list))
			}
			f.must(t, 201, http.MethodPut, query, pieces[i], h[:]...)
			before := f.storedParts(t)
			f.must(t, 400, http.MethodPut, query, random(partSize), h[:]...)
			if after := f.storedParts(t); after != before {
				t.Fatalf("%s: a mismatch has changed the parts from %s to %s", kind, before, after)
			}
		}
		h := testkit.Digests(pieces[2])["x-amz-checksum-crc64nvme"]
		f.must(t, 400, http.MethodPut, "?upload=complete", random(len(pieces[2])), h[:]...)
		f.must(t, 201, http.MethodPut, "?upload=complete", pieces[2], h[:]...)
		f.checkChecksum(t, content)
		if sum := f.mustRecord(t).Status.Checksum; sum != "crc64nvme:"+testkit.CRC64NVME(content) {
			t.Errorf("status.checksum is %q, the bytes have %s", sum, testkit.CRC64NVME(content))
		}

		for _, size := range []int{1000, 3 * mib} { // from a buffer, and streamed
			one, h := tn.newFile("one.bin"), testkit.Digests(content[:size])["x-amz-checksum-sha256"]
			one.must(t, 400, http.MethodPut, "", random(size), h[:]...)
			one.must(t, 404, http.MethodGet, "", nil)
			one.must(t, 201, http.MethodPut, "", content[:size], h[:]...)
			one.checkChecksum(t, content[:size])
			one.must(t, 400, http.MethodPut, "", random(size), append(h[:], "If-Match", "0")...)
			one.checkChecksum(t, content[:size])
		}
	})
}

// storedParts is what the store itself says of the parts.
func (f *file) storedParts(t *testing.T) string {
	t.Helper()
	u := f.mustRecord(t)
	list, err := f.s3.ListObjectParts(t.Context(), bucket, u.Status.ObjectKey, u.Status.UploadID, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range list.ObjectParts {
		out = append(out, fmt.Sprintf("%d:%d:%s", p.PartNumber, p.Size, strings.Trim(p.ETag, `"`)))
	}
	return strings.Join(out, " ")
}

// checkChecksum asks everybody for the checksum of the file. minio-go compares the one that the
// store keeps with the bytes that it gets.
func (f *file) checkChecksum(t *testing.T, content []byte) {
	t.Helper()
	want := testkit.CRC64NVME(content)
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		a := f.must(t, 200, method, "", nil)
		if sum := a.header.Get("x-amz-checksum-crc64nvme"); sum != want || a.header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
			t.Errorf("%s: the checksum is %q, not %s", method, sum, want)
		}
		if method == http.MethodGet && string(a.body) != string(content) {
			t.Error("the file is not what was sent")
		}
	}
	key := fmt.Sprintf("%s/%s/%s", f.namespace, f.entity, f.path)
	info, err := f.s3.StatObject(t.Context(), bucket, key, minio.StatObjectOptions{Checksum: true})
	if err != nil || info.ChecksumCRC64NVME != want || info.ChecksumMode != minio.ChecksumFullObjectMode.String() {
		t.Errorf("the store says %q, %q, %v; want %s", info.ChecksumCRC64NVME, info.ChecksumMode, err, want)
	}
	direct, _, _, err := f.s3.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{Checksum: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.Close() }()
	if n, err := io.Copy(io.Discard, direct); err != nil || n != int64(len(content)) {
		t.Errorf("an S3 client that verifies reads %d bytes, and says %v", n, err)
	}
}

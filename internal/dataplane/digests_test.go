package dataplane_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// TestDigests: each header that announces the body, right and wrong, on each request that stores
// one. A wrong one leaves what was there.
func TestDigests(t *testing.T) {
	s := newSystem(t, setup{})
	// One body that is stored from a buffer, and one that streams.
	for _, size := range []int{2000, 700_000} {
		content, before := randomBytes(size), randomBytes(size)
		damaged := bytes.Clone(content)
		damaged[size-1] ^= 1
		for name, h := range testkit.Digests(content) {
			file := s.path(fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), size))
			mismatch := func(what string, got reply) {
				t.Helper()
				if s.want(got, 400); !strings.Contains(string(got.body), strings.Fields(name)[0]) || !strings.Contains(string(got.body), "nothing was stored") {
					t.Errorf("%s, %s: %v", name, what, got)
				}
			}
			mismatch("new file", s.put(file, damaged, h[:]...))
			s.want(s.get(file), 404)
			s.want(s.put(file, before), 201)
			mismatch("update", s.put(file, damaged, append(h[:], "If-Match", "0")...))
			if got := s.want(s.get(file), 200); !bytes.Equal(got.body, before) {
				t.Fatalf("%s: a refused update has replaced the file", name)
			}
			s.want(s.put(file, content, append(h[:], "If-Match", "0")...), 204)

			s.want(s.put(file+"?upload=start", nil, "If-Match", "1"), 204)
			s.want(s.put(file+"?part=1", before), 204)
			old := s.storedParts(file)
			mismatch("part", s.put(file+"?part=1", damaged, h[:]...))
			mismatch("new part", s.put(file+"?part=2", damaged, h[:]...))
			mismatch("final part", s.put(file+"?upload=complete", damaged, h[:]...))
			if now := s.storedParts(file); len(now) != 1 || now[0].ETag != old[0].ETag {
				t.Fatalf("%s: a refused part has left a trace: %v, before %v", name, now, old)
			}
			s.want(s.put(file+"?part=1", content, h[:]...), 204)
			s.want(s.put(file+"?upload=complete", content, h[:]...), 204)
			if got := s.want(s.get(file), 200); !bytes.Equal(got.body, append(bytes.Clone(content), content...)) {
				t.Fatalf("%s: the file is not what was sent", name)
			}
		}
	}
}

// storedParts is what object storage has of the file's open upload.
func (s *system) storedParts(file string) []filestore.Part {
	s.t.Helper()
	for _, u := range s.records() {
		if u.Status.UploadID != "" && u.Status.CompletionTime == nil && strings.HasSuffix(file, "/"+u.Spec.Path) {
			parts, err := s.store.ListParts(s.t.Context(), filestore.UploadRef{Key: u.Status.ObjectKey, UploadID: u.Status.UploadID})
			must(s.t, err)
			return parts
		}
	}
	s.t.Fatalf("%s has no open upload", file)
	return nil
}

// TestDigestMalformed: what cannot be read or verified is refused before the body is asked for;
// what announces no body that is stored is left alone.
func TestDigestMalformed(t *testing.T) {
	s := newSystem(t, setup{})
	s.want(s.put(s.path("x?upload=start"), nil), 201)
	for _, request := range []string{"new", "x?part=1", "x?upload=complete"} {
		for header, value := range map[string]string{
			"Content-MD5": "hexadecimal", "Content-Digest": "sha-256=abc", "Digest": "sha-256=?", "x-amz-checksum-sha256": "AAAA", "x-amz-checksum-xxhash3": "AAAAAAAAAAA=",
		} {
			got := s.sized(http.MethodPut, s.path(request), unasked{t}, 2000, "Expect", "100-continue", header, value)
			if s.want(got, 400); !strings.Contains(string(got.body), header) || !strings.Contains(string(got.body), "send ") {
				t.Errorf("%s with %s: %v", request, header, got)
			}
		}
	}
	s.want(s.put(s.path("x?part=1"), randomBytes(2000), "Content-Digest", "unixsum=:AAA=:"), 201) // not computed here
	empty := testkit.Digests(nil)["Content-MD5"]
	s.want(s.put(s.path("x?upload=complete"), nil, "Content-MD5", testkit.Digests([]byte("x"))["Content-MD5"][1]), 400)
	s.want(s.put(s.path("x?upload=complete"), nil, empty[:]...), 201)
	s.want(s.get(s.path("x"), "Content-MD5", "of nothing"), 200)
}

// unasked is a body that nobody may read.
type unasked struct{ t testing.TB }

func (u unasked) Read([]byte) (int, error) {
	u.t.Error("the body was asked for")
	return 0, io.EOF
}

// TestChecksumOnDownload: an answer that is about the whole file tells its checksum, and no other:
// clients compare it with the bytes that they get.
func TestChecksumOnDownload(t *testing.T) {
	s := newSystem(t, setup{})
	content := randomBytes(5000)
	s.want(s.put(s.path("put"), content), 201)
	s.want(s.put(s.path("parts?upload=start"), nil), 201)
	s.want(s.put(s.path("parts?part=1"), content[:3000]), 201)
	s.want(s.put(s.path("parts?upload=complete"), content[3000:]), 201)
	for _, file := range []string{s.path("put"), s.path("parts")} {
		for _, got := range []reply{s.get(file), s.do(http.MethodHead, file, nil), s.get(file, "Range", "bytes=junk")} {
			s.want(got, 200)
			if sum, kind := got.header.Get("x-amz-checksum-crc64nvme"), got.header.Get("x-amz-checksum-type"); sum != testkit.CRC64NVME(content) || kind != "FULL_OBJECT" {
				t.Errorf("%s: checksum %q, %q; want %s", file, sum, kind, testkit.CRC64NVME(content))
			}
		}
		for _, got := range []reply{
			s.want(s.get(file, "Range", "bytes=0-9"), 206), s.want(s.get(file, "Range", "bytes=0-0,9-9"), 206), s.want(s.get(file, "If-None-Match", "0"), 304),
		} {
			if sum := got.header.Get("x-amz-checksum-crc64nvme"); sum != "" {
				t.Errorf("%s: %d has the checksum %s", file, got.status, sum)
			}
		}
	}
}

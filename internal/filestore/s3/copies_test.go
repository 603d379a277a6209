package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// listedPart is a part as a backend lists it.
type listedPart struct {
	PartNumber   int
	ETag         string
	LastModified time.Time
	Size         int64
}

// lister is a backend that lists every copy of a part, in pages.
func lister(t *testing.T, pageSize int, parts []listedPart) filestore.Store {
	t.Helper()
	type result struct {
		XMLName     xml.Name `xml:"ListPartsResult"`
		Bucket      string
		Key         string
		UploadID    string `xml:"UploadId"`
		IsTruncated bool
		Part        []listedPart
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		marker, _ := strconv.Atoi(r.URL.Query().Get("part-number-marker"))
		after := slices.DeleteFunc(slices.Clone(parts), func(p listedPart) bool { return p.PartNumber <= marker })
		page := after[:min(pageSize, len(after))]
		_ = xml.NewEncoder(w).Encode(result{Bucket: bucket, Key: "k", UploadID: "id", IsTruncated: len(page) < len(after), Part: page})
	}))
	t.Cleanup(backend.Close)
	return connect(t, filestore.Config{
		Name: "lister", Endpoint: backend.URL, Region: "us-east-1", Bucket: bucket, AddressingStyle: v1alpha1.AddressingPath,
		Credentials: &filestore.Credentials{AccessKeyID: "a", SecretAccessKey: "b"},
	})
}

// TestListPartsOfCopies: of the copies of a part that a backend lists, the newest counts; of which
// it cannot be told, none does, so that the part is sent again.
func TestListPartsOfCopies(t *testing.T) {
	at := func(number int, etag string, second int) listedPart {
		return listedPart{PartNumber: number, ETag: etag, LastModified: time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC), Size: 1}
	}
	var many []listedPart
	for number := 1; number <= 30; number++ {
		for copies := range 3 {
			many = append(many, at(number, fmt.Sprint("e", number, "-", (copies+number)%3), (copies+number)%3))
		}
	}
	for name, tc := range map[string]struct {
		parts []listedPart
		pages int
		want  []string
	}{
		"one of each":            {[]listedPart{at(1, "a", 0), at(2, "b", 0)}, 1000, []string{"1 a", "2 b"}},
		"the same bytes twice":   {[]listedPart{at(1, "a", 0), at(1, "a", 0), at(2, "b", 0)}, 1000, []string{"1 a", "2 b"}},
		"the newest is first":    {[]listedPart{at(1, "new", 1), at(1, "old", 0)}, 1000, []string{"1 new"}},
		"the newest is last":     {[]listedPart{at(1, "old", 0), at(1, "new", 1)}, 1000, []string{"1 new"}},
		"of one second":          {[]listedPart{at(1, "a", 0), at(1, "b", 0), at(2, "c", 0)}, 1000, []string{"1 unclear", "2 c"}},
		"sent again after that":  {[]listedPart{at(1, "a", 0), at(1, "c", 1), at(1, "b", 0)}, 1000, []string{"1 c"}},
		"old ones of one second": {[]listedPart{at(1, "b", 1), at(1, "a", 0), at(1, "c", 0), at(1, "b", 1)}, 1000, []string{"1 b"}},
		"pages that end between": {many, 5, nil}, // all numbers, each the newest
		"pages within a number":  {many, 3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == nil {
				for number := 1; number <= 30; number++ {
					tc.want = append(tc.want, fmt.Sprintf("%d e%d-2", number, number))
				}
			}
			parts, err := lister(t, tc.pages, tc.parts).ListParts(t.Context(), filestore.UploadRef{Key: "k", UploadID: "id"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range parts {
				if p.Unclear {
					p.ETag = "unclear"
				}
				got = append(got, fmt.Sprint(p.Number, " ", p.ETag))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("the parts are %q, want %q", got, tc.want)
			}
		})
	}
}

// TestProbeSendsPartsAgain: a backend where a part that is sent again does not count is found out,
// whether it says so (rclone) or not.
func TestProbeSendsPartsAgain(t *testing.T) {
	s := server(t, devcluster.StoreVersityGW)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"refused": func(w http.ResponseWriter, r *http.Request) bool { return answer(w, r, 501, "NotImplemented") },
		"ignored": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			first := bytes.Repeat([]byte("iotfile\n"), 128<<10/8) // what the probe has sent before
			w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(first)))
			w.Header().Set("X-Amz-Checksum-Crc64nvme", base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(first))))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{} // by upload: a part that is cut short, and one that is whole
			_, err := connect(t, meddle(t, s, func(w http.ResponseWriter, r *http.Request) bool {
				number := r.URL.Query().Get("partNumber") + r.URL.Query().Get("uploadId")
				if !isPart(r) {
					return false
				}
				seen[number]++
				return seen[number] > 2 && answer(w, r)
			})).Probe(t.Context())
			if !errors.Is(err, filestore.ErrPartsNotReplaced) {
				t.Errorf("Probe: %v", err)
			}
			wantNothingLeft(t, s)
		})
	}
}

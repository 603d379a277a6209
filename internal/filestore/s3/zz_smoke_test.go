package s3_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

func TestSmoke(t *testing.T) {
	for _, kind := range kinds {
		srv := server(t, kind)
		for _, mode := range []v1alpha1.PayloadMode{v1alpha1.PayloadTrailingCRC64NVME, v1alpha1.PayloadTrailingCRC32C, v1alpha1.PayloadSignedChunks, v1alpha1.PayloadUnsigned} {
			c := config(srv, mode)
			c.ListingMetadata = true
			s := connect(t, c)
			for _, size := range []int{0, 1, 100, 3 << 20} {
				key := fmt.Sprintf("smoke/%s/%d", mode, size)
				o, err := s.PutObject(t.Context(), key, bytes.NewReader(make([]byte, size)), int64(size), filestore.CreateUploadOptions{ContentType: "text/plain", Metadata: map[string]string{"version": "3", "content-type": "mine", "description": "two  blanks, \"quotes\", 100% + #1 & <x>; a=b"}}, filestore.Condition{Absent: true})
				st, err2 := s.Stat(t.Context(), key)
				t.Logf("%s %s %d: %+v %v\n   stat %+v %v", kind, mode, size, o, err, st, err2)
				_, err = s.PutObject(t.Context(), key, bytes.NewReader(make([]byte, size)), int64(size), filestore.CreateUploadOptions{}, filestore.Condition{Absent: true})
				t.Logf("   absent again: %v", err)
				_, err = s.PutObject(t.Context(), key+"x", bytes.NewReader(make([]byte, size)), int64(size), filestore.CreateUploadOptions{}, filestore.Condition{ETag: "d41d8cd98f00b204e9800998ecf8427e"})
				t.Logf("   gone: %v", err)
				_, err = s.PutObject(t.Context(), key, bytes.NewReader(make([]byte, size)), int64(size), filestore.CreateUploadOptions{ContentType: "text/plain", Metadata: map[string]string{"version": "3", "content-type": "mine", "description": "two  blanks, \"quotes\", 100% + #1 & <x>; a=b"}}, filestore.Condition{ETag: st.ETag})
				t.Logf("   matching: %v", err)
				_, err = s.PutObject(t.Context(), key+"/below", bytes.NewReader(make([]byte, size)), int64(size), filestore.CreateUploadOptions{}, filestore.Condition{})
				t.Logf("   below: %v", err)
				t.Logf("   delete: %v %v", s.DeleteObject(t.Context(), key+"gone"), s.DeleteObject(t.Context(), key+"/below/not"))
			}
		}
		s := connect(t, func() filestore.Config { c := config(srv, ""); c.ListingMetadata = true; return c }())
		err := s.ListObjects(t.Context(), "smoke/", "", func(o filestore.Object) bool { t.Logf("%+v", o); return true })
		t.Log(err)
	}
}

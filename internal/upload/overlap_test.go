package upload_test

import (
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestOverlap(t *testing.T) {
	spec := func(text string) *v1alpha1.FileStoreSpec { // endpoint bucket prefix
		fields := append(strings.Fields(text), "")
		return &v1alpha1.FileStoreSpec{Endpoint: fields[0], Bucket: fields[1], Prefix: fields[2]}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://s3.example.com files", "https://s3.example.com files", true},
		{"https://s3.example.com files", "https://s3.example.com files iot/", true},
		{"https://s3.example.com files iot/", "https://s3.example.com files iot/", true},
		{"https://s3.example.com files iot/", "https://s3.example.com files iot/a/", true},
		{"https://s3.example.com files iot", "https://s3.example.com files iota/", true}, // of before prefixes had to end with a slash
		{"https://s3.example.com files iot/", "https://s3.example.com files iota/", false},
		{"https://s3.example.com files a/", "https://s3.example.com files b/", false},
		{"https://s3.example.com files a/b/", "https://s3.example.com files a/c/", false},
		{"https://s3.example.com files", "https://s3.example.com others", false},
		{"https://s3.example.com files", "https://s3.example.org files", false},
		{"https://s3.example.com:9000 files", "https://s3.example.com:9001 files", false},
		{"https://s3.example.com files", "https://S3.Example.com.:443/ files", true},
		{"http://s3.example.com files", "http://s3.example.com:80 files", true},
		{"http://s3.example.com files", "https://s3.example.com files", true},
		{"http://s3.example.com:443 files", "https://s3.example.com files", false},
		{"http://[2001:db8::1] files", "http://[2001:DB8:0::1]:80 files", true},
		{"https://s3.amazonaws.com files", "https://s3.eu-central-1.amazonaws.com files", true},
		{"https://s3.dualstack.eu-central-1.amazonaws.com files", "https://s3.eu-central-1.amazonaws.com files", true},
		{"https://s3.us-gov-west-1.amazonaws.com files", "https://s3.amazonaws.com files", false},
		{"https://s3.cn-north-1.amazonaws.com.cn files", "https://s3.amazonaws.com files", false},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := upload.Overlap(spec(pair[0]), spec(pair[1])); got != c.want {
				t.Errorf("%q: %t, want %t", pair, got, c.want)
			}
		}
	}
}

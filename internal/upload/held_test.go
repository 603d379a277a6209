package upload_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// TestCheckHeld: what the probe has found that the store cannot hold is refused before anything is
// begun, and has its key all the same where it was begun before.
func TestCheckHeld(t *testing.T) {
	limited := func(keys *v1alpha1.FileStoreKeyLimits) *v1alpha1.FileStore {
		fs := testkit.Store("store", testkit.Prefixed("iot/"))
		fs.Status.Capabilities = &v1alpha1.FileStoreCapabilities{Keys: keys}
		return fs
	}
	const before = len("iot/default/" + testkit.Entity + "/")
	for name, tc := range map[string]struct {
		path string
		keys *v1alpha1.FileStoreKeyLimits
		want string
	}{
		"no limits":                  {`a\` + strings.Repeat("s", 256), nil, ""},
		"a long key, just":           {strings.Repeat("k", 975-before), &v1alpha1.FileStoreKeyLimits{MaxBytes: new(int32(975))}, ""},
		"a key that is too long":     {strings.Repeat("k", 976-before), &v1alpha1.FileStoreKeyLimits{MaxBytes: new(int32(975))}, "976 bytes"},
		"a long segment, just":       {"a/" + strings.Repeat("s", 255) + "/b", &v1alpha1.FileStoreKeyLimits{MaxSegmentBytes: new(int32(255))}, ""},
		"a segment that is too long": {"a/" + strings.Repeat("s", 256) + "/b", &v1alpha1.FileStoreKeyLimits{MaxSegmentBytes: new(int32(255))}, "256 bytes"},
		"a backslash":                {`a\b`, &v1alpha1.FileStoreKeyLimits{BackslashIsSlash: new(true)}, "backslash"},
		"a slash":                    {`a/b`, &v1alpha1.FileStoreKeyLimits{BackslashIsSlash: new(true)}, ""},
		"a backslash that is one":    {`a\b`, &v1alpha1.FileStoreKeyLimits{BackslashIsSlash: new(false)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := upload.File{Namespace: "default", EntityID: testkit.Entity, Path: tc.path}
			err := upload.CheckHeld(file, limited(tc.keys))
			var refused *upload.KeyError
			if errors.As(err, &refused) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want one of %q", err, tc.want)
			}
			if _, err := upload.KeyOf(file, limited(tc.keys)); err != nil {
				t.Errorf("it has no key: %v", err)
			}
		})
	}
}

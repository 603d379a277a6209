package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Name is the name of the MultipartUpload that is opened over REST for a file: a readable start and
// a hash of store, namespace, entity and path. The API server refuses a second object of the same
// name, which makes it the guarantee of one open upload per file, and any replica finds an upload
// by it. At most 63 characters, a DNS label.
func Name(store string, f File) string {
	h := sha256.New()
	for _, s := range []string{store, f.Namespace, f.EntityID, f.Path} {
		h.Write([]byte(s))
		h.Write([]byte{0}) // none of them can hold a NUL, so no two files give the same bytes
	}
	const hashDigits, slugLimit = 20, 63 - 1 - 20
	hash := hex.EncodeToString(h.Sum(nil))[:hashDigits]
	if slug := slug(f.Path[strings.LastIndexByte(f.Path, '/')+1:], slugLimit); slug != "" {
		return slug + "-" + hash
	}
	return "file-" + hash
}

// slug turns s into lower-case letters, digits and single dashes.
func slug(s string, limit int) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if b.Len() == limit {
			break
		}
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			b.WriteRune(r)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

package upload

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Name is the name of the MultipartUpload that is opened over REST for a file: a readable start and
// a hash of store, namespace, entity and path. The API server refuses a second object of the same
// name, which makes it the guarantee of one open upload per file, and any replica finds an upload
// by it. At most 63 characters, a DNS label.
func Name(store string, f File) string {
	const hashDigits, slugLimit = 20, 63 - 1 - 20
	hashed := make([]byte, 0, 256) // of most names: it needs no memory of its own
	for _, s := range []string{store, f.Namespace, f.EntityID, f.Path} {
		hashed = append(hashed, s...)
		hashed = append(hashed, 0) // none of them can hold a NUL, so no two files give the same bytes
	}
	sum := sha256.Sum256(hashed)
	name := appendSlug(make([]byte, 0, 63), f.Path[strings.LastIndexByte(f.Path, '/')+1:], slugLimit)
	if len(name) == 0 {
		name = append(name, "file"...)
	}
	return string(hex.AppendEncode(append(name, '-'), sum[:hashDigits/2]))
}

// appendSlug appends s as lower-case letters, digits and single dashes, to an empty name.
func appendSlug(name []byte, s string, limit int) []byte {
	for _, r := range strings.ToLower(s) {
		if len(name) == limit {
			break
		}
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			name = utf8.AppendRune(name, r)
		} else if len(name) > 0 && name[len(name)-1] != '-' {
			name = append(name, '-')
		}
	}
	return bytes.TrimRight(name, "-")
}

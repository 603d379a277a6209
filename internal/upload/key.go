package upload

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxKeyBytes is the length limit of an S3 object key in bytes of UTF-8 (S3 User Guide, "Naming
// Amazon S3 objects").
const MaxKeyBytes = 1024

// File names a file within the cluster.
type File struct {
	// Namespace is the tenant.
	Namespace string
	// EntityID is 32 lower-case hexadecimal digits.
	EntityID string
	// Path below the entity, decoded, without a slash at either end.
	Path string
}

// Validate returns nil for a file that can be stored, else an error that says what is wrong with
// its entity or path and may be shown to a client. The length of the key is KeyOf's to check, since
// it depends on the store.
func (f File) Validate() error {
	if !isEntityID(f.EntityID) {
		return fmt.Errorf("the entityId %q is not 32 lower-case hexadecimal digits", clip(f.EntityID))
	}
	return validatePath(f.Path)
}

// isEntityID reports whether an entityId is written as it has to be.
func isEntityID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == 32
}

func validatePath(path string) error {
	switch {
	case path == "":
		return errors.New("the file path is empty: name a file behind the entityId")
	case !utf8.ValidString(path):
		return errors.New("the file path is not UTF-8 when it is percent-decoded")
	case len(path) > MaxKeyBytes:
		return fmt.Errorf("the file path is %d bytes long, longer than the %d that object storage takes for a whole key", len(path), MaxKeyBytes)
	}
	for _, r := range path {
		switch {
		case r < 0x20, r >= 0x7f && r < 0xa0:
			return fmt.Errorf("the file path holds the control character U+%04X", r)
		case r == 0xfffe, r == 0xffff:
			// Object storage answers in XML, which cannot hold them: a key with one could never be
			// listed again.
			return fmt.Errorf("the file path holds U+%04X, which is no character", r)
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "":
			return errors.New("the file path holds an empty segment: remove the doubled, leading or trailing slash")
		case ".", "..":
			return fmt.Errorf("the file path holds the segment %q: send the path resolved", segment)
		}
	}
	return nil
}

// TenantKey is the key without the store's prefix, {namespace}/{entityID}/{path}: what clients are
// shown as objectKey (docs/rest-api.md, "Parts").
func (f File) TenantKey() string {
	return f.Namespace + "/" + f.EntityID + "/" + f.Path
}

// clip shortens what a client sent, so that an error message stays readable.
func clip(s string) string {
	const limit = 64
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

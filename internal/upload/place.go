package upload

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// KeyOf is where object storage keeps the file in store: {prefix}{namespace}/{entityID}/{path}. The
// namespace comes first, so that no tenant can name another's key. It follows from immutable fields
// alone, and nothing that is acted on has a key from elsewhere: a status can be forged. It returns
// a *KeyError if the file has no key there.
func KeyOf(file File, store *v1alpha1.FileStore) (string, error) {
	if err := checkKey(file, store); err != nil {
		return "", err
	}
	return store.Spec.Prefix + file.TenantKey(), nil
}

// checkKey returns nil or a *KeyError.
func checkKey(file File, store *v1alpha1.FileStore) error {
	if err := file.Validate(); err != nil {
		return &KeyError{err}
	}
	if n := len(store.Spec.Prefix) + len(file.Namespace) + len(file.EntityID) + len(file.Path) + 2; n > MaxKeyBytes {
		return &KeyError{fmt.Errorf("the file path is too long: with its prefix it has %d bytes, and object storage takes %d", n, MaxKeyBytes)}
	}
	return nil
}

// CheckHeld returns nil or a *KeyError: whether the store can hold the file at all, by what its
// probe has found. It is asked before something new is begun only: what is open already has its
// key.
func CheckHeld(file File, store *v1alpha1.FileStore) error {
	key, err := KeyOf(file, store)
	if err != nil {
		return err
	}
	caps := store.Status.Capabilities
	if caps == nil || caps.Keys == nil {
		return nil
	}
	if limit := caps.Keys.MaxBytes; limit != nil && len(key) > int(*limit) {
		return &KeyError{fmt.Errorf("the file path is too long: with its prefix it has %d bytes, and this object storage takes %d", len(key), *limit)}
	}
	if caps.Keys.BackslashIsSlash != nil && *caps.Keys.BackslashIsSlash && strings.Contains(file.Path, `\`) {
		return &KeyError{errors.New("the file path holds a backslash, which this object storage takes for a slash")}
	}
	if limit := caps.Keys.MaxSegmentBytes; limit != nil {
		for segment := range strings.SplitSeq(file.Path, "/") {
			if len(segment) > int(*limit) {
				return &KeyError{fmt.Errorf("the segment %q of the file path has %d bytes, and this object storage takes %d between two slashes", clip(segment), len(segment), *limit)}
			}
		}
	}
	return nil
}

// KeyError says why a file has no key. Its text may be shown to a client.
type KeyError struct{ Cause error }

// Error implements error.
func (e *KeyError) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *KeyError) Unwrap() error { return e.Cause }

// CheckStatus compares what the status says with what follows from the rest of the record and its
// store, which is nil while it is not known. It returns nil or a *StatusError: then the operator
// has not written this status, or not for this store, and nothing is done with what it names.
func CheckStatus(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore, now time.Time) error {
	s := &u.Status
	switch named := StoreNameOf(u); {
	case s.StoreName != "" && s.StoreName != named, store != nil && s.StoreName != "" && s.StoreName != store.Name:
		return &StatusError{"storeName", "is not the FileStore that takes the upload"}
	case s.UploadID != "" && !plausibleID(s.UploadID):
		return &StatusError{"uploadID", "is none that object storage gives"}
	case s.StartTime != nil && s.UploadID == "":
		return &StatusError{"startTime", "is there, though object storage has not opened the upload"}
	case s.StartTime != nil && s.StartTime.Sub(now) > RestoredAfter:
		return &StatusError{"startTime", "lies in the future"}
	case store != nil && !keyHolds(u, store):
		return &StatusError{"objectKey", "is not the key of this file in its FileStore"}
	}
	return nil
}

// keyHolds reports whether the key in the status, if there is one, is that of the file, which has
// to have one if object storage has opened the upload.
func keyHolds(u *v1alpha1.MultipartUpload, store *v1alpha1.FileStore) bool {
	if u.Status.ObjectKey == "" && u.Status.UploadID == "" {
		return true
	}
	file := FileOf(u)
	if checkKey(file, store) != nil {
		return false
	}
	rest, found := strings.CutPrefix(u.Status.ObjectKey, store.Spec.Prefix)
	return u.Status.ObjectKey == "" || found && rest == file.TenantKey()
}

// StatusError says which field of a status cannot be true.
type StatusError struct {
	// Field is the name of the field in status, Fault what is wrong with it.
	Field, Fault string
}

// Error implements error. The text is for the cluster's users: it names nothing that the record
// does not.
func (e *StatusError) Error() string {
	return fmt.Sprintf("status.%s %s, so the operator has not written it: nothing is done with the upload. Delete it, and start again", e.Field, e.Fault)
}

// plausibleID reports whether a store can have given this upload id. They are opaque, and no store
// is known that has others than printable ASCII; what some backends would take for the path of
// another upload's directory is none.
func plausibleID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return false
		}
	}
	for segment := range strings.FieldsFuncSeq(id, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

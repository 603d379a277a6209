package upload

import (
	"fmt"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// IncompleteBytes is what the upload counts with against the limit of incomplete bytes: what has
// arrived, as far as its progress tells, or the size that was declared, if that is more. An upload
// that has ended, or waits to be opened until somebody acts, counts nothing: it could keep the room
// for ever.
func IncompleteBytes(u *v1alpha1.MultipartUpload) int64 {
	if !Counts(u) {
		return 0
	}
	n := int64(0)
	if p := u.Status.Progress; p != nil && p.Bytes != nil {
		n = *p.Bytes
	}
	if u.Spec.Size != nil {
		n = max(n, *u.Spec.Size)
	}
	return n
}

// AdmitBytes reports whether wanted bytes fit beside those that other uploads of the namespace
// hold. It returns nil or a *Refusal: of RefusalTooLarge where they would never fit, of
// RefusalNoRoom where they will when others have ended.
func AdmitBytes(wanted, held int64, limits Limits) error {
	limit := limits.MaxIncompleteBytes
	switch {
	case limit == 0 || wanted+held <= limit:
		return nil
	case wanted > limit:
		return &Refusal{RefusalTooLarge, fmt.Sprintf("the upload has %d bytes, and the open uploads of a namespace may have %d together in this store", wanted, limit)}
	default:
		return &Refusal{RefusalNoRoom, fmt.Sprintf("the upload has %d bytes, other open uploads of the namespace have %d, and together they may have %d in this store: complete or abort one", wanted, held, limit)}
	}
}

// CheckSize reports whether parts of sum bytes are what was declared. It returns nil or a
// *SizeError.
func CheckSize(sum int64, declared *int64) error {
	if declared == nil || sum == *declared {
		return nil
	}
	return &SizeError{Sum: sum, Declared: *declared}
}

// SumOf adds up the sizes of parts.
func SumOf(parts []Part) int64 {
	sum := int64(0)
	for _, p := range parts {
		sum += p.Size
	}
	return sum
}

// SizeError says that the parts are not what was declared. Its text may be shown to a client.
type SizeError struct{ Sum, Declared int64 }

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("the parts have %d bytes together, and the upload was started for a file of %d: the parts that arrived are kept, send the missing or the wrong ones again", e.Sum, e.Declared)
}

// Percent is how much of the declared size has arrived, at most 100; nil if none was declared.
func Percent(u *v1alpha1.MultipartUpload, arrived int64) *int32 {
	if u.Spec.Size == nil || *u.Spec.Size <= 0 {
		return nil
	}
	percent := int32(float64(min(arrived, *u.Spec.Size)) / float64(*u.Spec.Size) * 100)
	return &percent
}
